"""`scrapy runspider`, as Scrapy has it. A spider of ours is told that it needs a run."""

from scrapy.commands import runspider

from coincrawl.tools import WithoutRun


class Command(WithoutRun, runspider.Command):
    pass
