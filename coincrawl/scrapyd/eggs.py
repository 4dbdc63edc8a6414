"""scrapyd's storage for uploaded code: there is none."""

from collections.abc import Sequence
from typing import Any, NoReturn

from scrapyd.config import Config
from scrapyd.exceptions import DirectoryTraversalError, EggNotFoundError, ProjectNotFoundError
from scrapyd.interfaces import IEggStorage
from twisted.python.filepath import FilePath, InsecurePath
from twisted.web import error, http
from zope.interface import implementer

NOT_UPLOADED = (
    "Code is not uploaded to this scrapyd: it runs the project in its own folder. To change that, get the new code "
    "there (git pull) and restart scrapyd; the README says how under Upgrades."
)
NOT_DELETED = "Nothing can be deleted here: this scrapyd runs the project in its own folder, which has no versions."


@implementer(IEggStorage)
class NoEggs:
    """The code that runs is the project's own, by scrapy.cfg. What is refused is answered with a sentence."""

    def __init__(self, config: Config) -> None:
        self._projects = {project for project, _ in config.items("settings", default=[])}

    def put(self, eggfile: Any, project: str, version: str) -> NoReturn:
        _check(project)
        raise error.Error(http.OK, NOT_UPLOADED.encode())

    def get(self, project: str, version: str | None = None) -> tuple[None, None]:
        return None, None

    def list(self, project: str) -> Sequence[str]:
        _check(project)
        return ()

    def list_projects(self) -> Sequence[str]:
        return []

    def delete(self, project: str, version: str | None = None) -> NoReturn:
        _check(project)
        if project in self._projects:
            raise error.Error(http.OK, NOT_DELETED.encode())
        raise EggNotFoundError if version else ProjectNotFoundError


def _check(project: str) -> None:
    """Refuse a name that leads out of a folder, as scrapyd's own storage does."""
    try:
        FilePath("eggs").child(project)
    except InsecurePath:
        raise DirectoryTraversalError(project) from None
