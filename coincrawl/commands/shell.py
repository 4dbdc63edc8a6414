"""`scrapy shell`: Scrapy's own, without a run."""

from scrapy.commands import shell

from coincrawl.tools import WithoutRun


class Command(WithoutRun, shell.Command):
    pass
