"""`scrapy runspider`: Scrapy's own, for other spiders. Those of this project need a run and stop with a sentence."""

from scrapy.commands import runspider

from coincrawl.tools import WithoutRun


class Command(WithoutRun, runspider.Command):
    pass
