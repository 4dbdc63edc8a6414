"""A problem that a check has found: a sentence, and what it is about."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db import models


@dataclass(frozen=True)
class Problem:
    """It is about a row, or about the rows of a model whose fields have the values of `among`; None: about no page."""

    sentence: str
    about: models.Model | type[models.Model] | None = None
    among: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Names, arguments and reasons may have control characters."""
        plain = "".join(letter if letter.isprintable() else " " for letter in self.sentence)
        object.__setattr__(self, "sentence", plain)


def joined(problems: Iterable[Problem]) -> str:
    return " ".join(problem.sentence for problem in problems)
