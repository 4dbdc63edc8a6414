"""scrapyd's storage for uploaded code: there is none."""

from collections.abc import Sequence
from typing import Any, NoReturn

from scrapyd.config import Config
from scrapyd.exceptions import ProjectNotFoundError
from scrapyd.interfaces import IEggStorage
from zope.interface import implementer


@implementer(IEggStorage)
class NoEggs:
    """The code that runs is the project's own, by scrapy.cfg."""

    def __init__(self, config: Config) -> None:
        pass

    def put(self, eggfile: Any, project: str, version: str) -> NoReturn:
        raise PermissionError("Code is not taken by upload.")

    def get(self, project: str, version: str | None = None) -> tuple[None, None]:
        return None, None

    def list(self, project: str) -> Sequence[str]:
        return ()

    def list_projects(self) -> Sequence[str]:
        return []

    def delete(self, project: str, version: str | None = None) -> NoReturn:
        raise ProjectNotFoundError
