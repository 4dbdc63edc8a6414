"""scrapyd's settings in the environment and `.env`, read as all settings of the project."""

import os

import coincrawl.settings  # noqa: F401 - sets up Django
from webapp.environment import env

USERNAME = env.str("SCRAPYD_USERNAME", default="")
PASSWORD = env.str("SCRAPYD_PASSWORD", default="")
BIND_ADDRESS = env.str("SCRAPYD_BIND_ADDRESS", default="")
HTTP_PORT = env.int("SCRAPYD_HTTP_PORT", default=None)
# The folder of the jobs' logs; a relative path starts at the project's folder.
LOGS_DIR = env.str("SCRAPYD_LOGS_DIR", default="var/logs")
# The node's name in the admin; by default the machine's.
NODE_NAME = env.str("SCRAPYD_NODE_NAME", default="")
# Crawls at a time; 0: four for each processor. At most one of a spider runs at a time, on all nodes together.
MAX_PROC = env.int("SCRAPYD_MAX_PROC", default=0)


def hide_from_scrapyd() -> None:
    """Remove from the environment what scrapyd reads there by rules of its own.

    It might listen at another address than the one that was checked.
    """
    for name in ("USERNAME", "PASSWORD", "BIND_ADDRESS", "HTTP_PORT"):
        os.environ.pop(f"SCRAPYD_{name}", None)
