"""`scrapy view`: Scrapy's own, without a run."""

from scrapy.commands import view

from coincrawl.tools import WithoutRun


class Command(WithoutRun, view.Command):
    pass
