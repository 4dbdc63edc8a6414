"""`scrapy check`: Scrapy's own, without a run."""

from scrapy.commands import check

from coincrawl.tools import WithoutRun


class Command(WithoutRun, check.Command):
    pass
