"""`scrapy settings`, which prints of a secret only whether it is set."""

import argparse
import sys

from scrapy.commands import settings
from scrapy.spiderloader import SpiderLoader

from coincrawl.components import enabled
from coincrawl.secret import Secret


class Command(settings.Command):
    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        known = enabled(self.settings)
        asked = (opts.get, opts.getbool, opts.getint, opts.getfloat, opts.getlist)
        name = next(filter(None, asked), None)
        for secret in self._secrets():
            if secret.setting == name:
                secret.read(known)
                sys.stdout.write("set\n" if known[name] else "not set\n")
                return
        super().run(args, opts)

    def _secrets(self) -> list[Secret]:
        spiders = SpiderLoader.from_settings(enabled(self.settings))
        found = (getattr(spiders.load(name), "secret", None) for name in spiders.list())
        return [secret for secret in found if isinstance(secret, Secret)]
