"""Which addresses may be asked, and what in them may be shown. Pure."""

import re
from collections.abc import Collection
from urllib.parse import parse_qsl, unquote_plus, urlsplit

# The last part of a parameter's name: `api_key`, `accessToken`, `apikey`, but neither `author` nor `monkey`.
SECRET_NAME = re.compile(
    r"(tokens?|password|passwd|passphrase|secret|credentials?|signature"
    r"|(^|[^a-z]|api|access|app|auth|client|consumer|licen[cs]e|private|subscription|user)keys?(id)?"
    r"|(^|[^a-z])(pass|pwd|sig|auth(entication|orization)?))"
    r"($|[^a-z])"
)


def is_source(url: str, plain_http_hosts: Collection[str] = ()) -> bool:
    """Whether it is https, or http on this machine or one of these hosts.

    It may have a query, but no user, password, fragment or parameter with a name such as `api_key`.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port  # raises ValueError if the port is invalid
    except ValueError:
        return False
    is_plain = re.fullmatch(r"localhost|127(\.\d+){3}|::1", host) or host in plain_http_hosts
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_plain)
    is_open = not ("@" in parts.netloc or "#" in url or secret_names(parts.query))
    return bool(host and is_safe and is_open and re.fullmatch("[!-~]+", url))


def source_fault(url: object, plain_http_hosts: Collection[str] = ()) -> str:
    """The address and what is wrong with it; empty if it may be asked."""
    if isinstance(url, str) and is_source(url, plain_http_hosts):
        return ""
    shown = publishable(url) if isinstance(url, str) else repr(url)
    return (
        f"{shown} and must be https://host/path, without user, password and key (http:// for this machine and "
        "PLAIN_HTTP_HOSTS only)"
    )


def secret_names(query: str) -> list[str]:
    """The names in a query whose values may be secret."""
    return [name for name, _ in parse_qsl(query.replace(";", "&"), keep_blank_values=True) if looks_secret(name)]


def looks_secret(name: str) -> bool:
    """Whether a parameter of this name may hold a key, a token or a password."""
    return bool(SECRET_NAME.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))


def publishable(url: str) -> str:
    """An address, even a malformed one, without its password and without values that may be secret."""

    def hidden(pair: re.Match[str]) -> str:
        return f"{pair[1]}=***" if looks_secret(unquote_plus(pair[1])) else pair[0]

    return re.sub(r"([^?&;=]+)=([^&;#]*)", hidden, re.sub(r"//.*@", "//***@", url))


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: a key is sent to these alone. Raises ValueError if the port is invalid."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", usual if parts.port is None else parts.port
