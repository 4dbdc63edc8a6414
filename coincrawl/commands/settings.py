"""`scrapy settings`, which says of a secret only whether it is set."""

import argparse
import sys

from scrapy.commands import settings

from coincrawl.components import enabled

SECRETS = ("COINGECKO_API_KEY", "API_TOKEN")


class Command(settings.Command):
    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        asked = (opts.get, opts.getbool, opts.getint, opts.getfloat, opts.getlist)
        if (name := next(filter(None, asked), None)) in SECRETS:
            sys.stdout.write("set\n" if enabled(self.settings)[name] else "not set\n")
        else:
            super().run(args, opts)
