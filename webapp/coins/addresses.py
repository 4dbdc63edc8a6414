"""Which address may be asked, and what it can be trusted with. Pure."""

import re
from urllib.parse import urlsplit


def is_source(url: str) -> bool:
    """Whether it is https, or http on this machine, with nothing in it that could hold a secret."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port  # raises ValueError where it is no port
    except ValueError:
        return False
    is_here = re.fullmatch(r"localhost|127(\.\d+){3}", host)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_here)
    return bool(host and is_safe and re.fullmatch("[!-~]+", url)) and not set(url) & set("@?#")


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port, which are what a key may be trusted to. ValueError for a port that is no number."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", usual if parts.port is None else parts.port
