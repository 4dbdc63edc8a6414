"""What scrapyd reads from the environment (and `.env`): its password may come from a file, as any secret.

The address is scrapyd's own to read; here it is checked.
"""

from coincrawl.settings import env  # which sets up Django

USERNAME = env.str("SCRAPYD_USERNAME", default="")
PASSWORD = env.str("SCRAPYD_PASSWORD", default="")
BIND_ADDRESS = env.str("SCRAPYD_BIND_ADDRESS", default="")
HTTP_PORT = env.int("SCRAPYD_HTTP_PORT", default=6800)
# Where the logs of jobs are kept; a relative path counts from the project's folder.
LOGS_DIR = env.str("SCRAPYD_LOGS_DIR", default="var/logs")
# How this scrapyd is called in the admin, where the machine's name is not enough.
NODE_NAME = env.str("SCRAPYD_NODE_NAME", default="")
# Crawls at a time; 0: four for each processor. At most one of a spider runs at a time, on all nodes together.
MAX_PROC = env.int("SCRAPYD_MAX_PROC", default=0)
