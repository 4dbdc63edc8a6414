"""This scrapyd: what it is called, and the loop that it runs by."""

import socket
from typing import Any

from scrapyd.config import Config


def node_name(config: Config) -> str:
    """For people who look at the admin."""
    return config.get("node_name", socket.gethostname())


def reactor() -> Any:
    """Twisted's. Asked for late, because twistd chooses it; and of no type, because its interfaces are zope's."""
    from twisted.internet import reactor as chosen  # noqa: PLC0415 - see above

    return chosen
