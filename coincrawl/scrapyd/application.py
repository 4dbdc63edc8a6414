"""Puts scrapyd together: its own parts, those that scrapy.cfg names instead, and the ticker."""

from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from socket import gethostname
from time import monotonic, time
from typing import Any

from scrapyd.app import application as scrapyds_own
from scrapyd.config import Config
from scrapyd.exceptions import ConfigError
from twisted.application.internet import TCPServer, UNIXServer
from twisted.application.service import IServiceCollection
from twisted.internet.base import ReactorBase
from twisted.python.components import Componentized

from coincrawl.scrapyd import settings
from coincrawl.scrapyd.throttle import PasswordThrottle
from coincrawl.scrapyd.ticker import Ticker
from webapp.environment import BASE_DIR

MAX_CRAWLS = 1_000


def application(config: Config) -> Componentized:
    """Raises ConfigError if a setting is invalid: scrapyd ends with its sentence."""
    section = config.cp[config.SECTION]
    for option, value in {
        "username": settings.USERNAME,
        "password": settings.PASSWORD,
        "bind_address": settings.BIND_ADDRESS,
        "http_port": "" if settings.HTTP_PORT is None else str(settings.HTTP_PORT),
        "node_name": settings.NODE_NAME or config.get("node_name", gethostname()),
        "max_proc": str(settings.MAX_PROC or ""),
        "logs_dir": str(BASE_DIR / settings.LOGS_DIR),
    }.items():
        if value:
            section[option] = value.replace("%", "%%")  # a ConfigParser would interpolate it
    settings.hide_from_scrapyd()
    config.cp.remove_option("settings", "default")  # Scrapy's name for the same project: one queue is enough
    _check(config)
    with suppress(OSError):  # jobs say what is wrong with their logs
        Path(config.get("logs_dir")).mkdir(parents=True, exist_ok=True)
    _use_steady_clock()
    app = scrapyds_own(config)
    services: Any = IServiceCollection(app)
    if config.get("password", ""):
        for server in services:
            if isinstance(server, (TCPServer, UNIXServer)):
                site = server.args[1]
                site.resource = PasswordThrottle(site.resource)
    Ticker(config, services.getServiceNamed("launcher").max_proc).setServiceParent(app)
    return app


def _check(config: Config) -> None:
    username, password = config.get("username", ""), config.get("password", "")
    if bool(username) != bool(password):
        raise ConfigError("SCRAPYD_USERNAME and SCRAPYD_PASSWORD belong together: set both, or neither.")
    if ":" in username:
        raise ConfigError("SCRAPYD_USERNAME must not have a colon in it.")
    address = config.get("bind_address")
    if not (password or _is_loopback(address)):
        raise ConfigError(
            f"scrapyd would listen on {address} for everybody: set SCRAPYD_USERNAME and SCRAPYD_PASSWORD, "
            "or leave SCRAPYD_BIND_ADDRESS at 127.0.0.1."
        )
    if settings.MAX_PROC > MAX_CRAWLS:
        raise ConfigError(f"SCRAPYD_MAX_PROC must be at most {MAX_CRAWLS}.")
    if not 0 < config.getint("http_port") < 65_536:
        raise ConfigError("SCRAPYD_HTTP_PORT must be a port: a number from 1 to 65535.")


def _is_loopback(address: str) -> bool:
    with suppress(ValueError):
        return ip_address(address).is_loopback
    return address == "localhost"


def _use_steady_clock() -> None:
    """Keep timers going when the system's clock is set back: Twisted's would stand still for as long."""
    offset = time() - monotonic()
    ReactorBase.seconds = staticmethod(lambda: monotonic() + offset)
