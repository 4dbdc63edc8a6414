"""`scrapy fetch`: Scrapy's own, without a run."""

from scrapy.commands import fetch

from coincrawl.tools import WithoutRun


class Command(WithoutRun, fetch.Command):
    pass
