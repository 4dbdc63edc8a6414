#!/usr/bin/env python
"""Django's commands, from any folder: `python webapp/manage.py help`."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    from django.core.management import execute_from_command_line
    from django.db import Error

    from webapp import __version__
    from webapp.management import unusable

    if sys.argv[1:] in (["--version"], ["version"]):  # Django would name itself alone
        others = "".join(f", {name} {version(name)}" for name in ("Django", "Scrapy"))
        sys.stdout.write(f"coincrawl {__version__}{others}\n")
        sys.exit()
    try:
        execute_from_command_line(sys.argv)
    except Error as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(unusable(error))
