"""`scrapy fetch`, as Scrapy has it, but without a run."""

from scrapy.commands import fetch

from coincrawl.tools import WithoutRun


class Command(WithoutRun, fetch.Command):
    pass
