"""What Scrapy's own commands (shell, fetch, view, parse, check, runspider) have in common here: they begin no run."""

import argparse

from scrapy.commands import ScrapyCommand
from scrapy.exceptions import UsageError

from coincrawl.components import enabled
from webapp.crawls.catalog import SPIDERS, ArgumentError, parse_arguments


class WithoutRun(ScrapyCommand):
    """A command that needs no database and stores nothing, whichever spider it uses.

    It fetches any address, as in other projects. The spider's key is sent only to its source.
    """

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        super().process_options(args, opts)
        enabled(self.settings).set("RECORD_RUNS", value=False, priority="cmdline")
        spider = getattr(opts, "spider", None)
        if spider and spider in SPIDERS:
            try:
                parse_arguments(spider, getattr(opts, "spargs", {}))
            except ArgumentError as error:
                raise UsageError(str(error), print_help=False) from None
