"""What people are told after rejected records were tried again, and what their history says."""

from collections import Counter
from collections.abc import Sequence

from django.contrib import messages

from webapp.coins.texts import are, counted
from webapp.crawls.reasons import without_name
from webapp.crawls.retrying import Outcome, Tried

SHOWN = 3  # commonest reasons


def recorded(tried: Tried) -> str:
    """For the record's history; empty if it was not tried."""
    if tried.outcome == Outcome.NOT_TRIED:
        return ""
    return f"Tried again: {tried.told}"


def told_of_all(tried: Sequence[Tried], left: str = "") -> tuple[str, int]:
    """What became of these records, in sentences, and the level of the message. `left` is a sentence on the others."""
    if not tried and not left:
        return "None of these records is open: nothing was tried.", messages.WARNING
    numbers = Counter(one.outcome for one in tried)
    sentences = [] if tried else ["No record was tried."]
    if stored := numbers[Outcome.STORED]:
        sentences.append(f"{counted(stored, 'record')} {_was(stored)} stored.")
    if known := numbers[Outcome.UNCHANGED] + numbers[Outcome.OUTDATED]:
        sentences.append(f"{counted(known, 'record')} {_was(known)} resolved: the stored coin is as new or newer.")
    if rejected := numbers[Outcome.REJECTED]:
        reasons = Counter(reason for one in tried for reason in dict.fromkeys(map(without_name, one.reasons)))
        sentences.append(f"{counted(rejected, 'record')} {are(rejected)} still rejected: {_commonest(reasons)}.")
    if untried := numbers[Outcome.NOT_TRIED]:
        words = Counter(one.words.rstrip(".") for one in tried if one.outcome == Outcome.NOT_TRIED)
        sentences.append(f"{counted(untried, 'record')} could not be tried: {_commonest(words)}.")
    if left:
        sentences.append(left)
    is_all_well = not (rejected or untried or left)
    return " ".join(sentences), messages.SUCCESS if is_all_well else messages.WARNING


def _commonest(words: Counter[str]) -> str:
    return "; ".join(f"{word} ({number:,})" for word, number in words.most_common(SHOWN))


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
