"""How a spider declares the key or token of its source."""

from dataclasses import dataclass

from scrapy.settings import BaseSettings
from scrapy.spiderloader import SpiderLoader
from scrapy.utils.project import get_project_settings

from webapp.environment import env


@dataclass(frozen=True)
class Secret:
    """A key or token: its setting, and the header that carries it. It is sent to the spider's source only.

    `setting` is an environment variable. `<setting>_FILE` may name a file with the value instead.
    """

    setting: str
    header: str = "Authorization"
    word: str = ""  # before the value in the header, such as Bearer
    is_required: bool = True

    def read(self, settings: BaseSettings) -> None:
        """Read the secret into the settings. Raises SystemExit with a sentence if it is not one word."""
        if self.setting not in settings:
            settings.set(self.setting, env.one_word(self.setting), priority="spider")

    def missing(self, settings: BaseSettings) -> str:
        """A sentence if the secret is required and not set; else an empty text."""
        if not self.is_required or settings[self.setting]:
            return ""
        return (
            f"{self.setting} must be set in the environment or in .env, or {self.setting}_FILE must name the file that "
            "has it: the source requires it."
        )

    def headers(self, secret: str) -> dict[str, str]:
        return {self.header: f"{self.word} {secret}".lstrip()} if secret else {}


def missing_secret(spider: str) -> str:
    """A sentence if this spider's secret is required and not set, or not one word; else an empty text."""
    settings = get_project_settings()
    kind = SpiderLoader.from_settings(settings).load(spider)
    try:
        kind.update_settings(settings)
    except SystemExit as refusal:
        return str(refusal)
    secret: Secret | None = getattr(kind, "secret", None)
    return secret.missing(settings) if secret else ""
