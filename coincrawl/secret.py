"""How a spider says what its source is asked with."""

from dataclasses import dataclass

from scrapy.settings import BaseSettings
from scrapy.spiderloader import SpiderLoader
from scrapy.utils.project import get_project_settings

from webapp.environment import env


@dataclass(frozen=True)
class Secret:
    """A key or token: which setting has it, and how it is sent. It goes to the spider's source alone.

    `setting` is a variable of the environment; the file that `<setting>_FILE` names may have it too.
    """

    setting: str
    header: str = "Authorization"
    word: str = ""  # that stands before it in the header, such as Bearer
    is_required: bool = True

    def read(self, settings: BaseSettings) -> None:
        """Have the settings know it. SystemExit with a sentence where it is no word."""
        if self.setting not in settings:
            settings.set(self.setting, env.one_word(self.setting), priority="spider")

    def missing(self, settings: BaseSettings) -> str:
        """A sentence where it has to be there, and is not."""
        if not self.is_required or settings[self.setting]:
            return ""
        return (
            f"{self.setting} must be set in the environment or in .env, or {self.setting}_FILE name the file that has "
            "it: the source is asked with it."
        )

    def headers(self, secret: str) -> dict[str, str]:
        """What is added to a request at the last moment and never logged."""
        return {self.header: f"{self.word} {secret}".lstrip()} if secret else {}


def missing_secret(spider: str) -> str:
    """A sentence where this spider has to have a secret, and has none or one that is no word."""
    settings = get_project_settings()
    kind = SpiderLoader.from_settings(settings).load(spider)
    try:
        kind.update_settings(settings)
    except SystemExit as refusal:
        return str(refusal)
    secret: Secret | None = getattr(kind, "secret", None)
    return secret.missing(settings) if secret else ""
