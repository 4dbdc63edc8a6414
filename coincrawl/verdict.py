"""Decides a run's verdict. Pure: numbers and reasons in, a verdict out."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from webapp.coins.texts import counted
from webapp.crawls.verdict import Verdict

MIN_COINS = 0.80  # of the last complete run's coins; with fewer a run is partial
MAX_REJECTED = 0.01  # of the records; with more a run is partial
ENOUGH_VALUES = 10  # fields with fewer values are not checked: a few coins may well lose theirs
KEY = "coin_id"  # the field with a value in every valid record
MIN_FILLED = 0.1  # of a field's usual values; with fewer a run is partial
MAX_ABSENT = 0.1  # of a field's usual values, if whole pages lack the field; with more a run is partial

EXIT_STATUS = {
    Verdict.COMPLETE: 0,
    Verdict.FAILED: 1,
    Verdict.LOST: 1,
    Verdict.PARTIAL: 3,
    Verdict.SKIPPED: 75,  # EX_TEMPFAIL: try again later
    Verdict.INTERRUPTED: 130,
}


@dataclass(frozen=True)
class Evidence:
    """What a run that ended by itself has seen and stored."""

    pages: int
    records: int  # in all answers
    seen: int  # records that were stored or rejected
    coins: int  # different ones
    rejected: int
    errors: int = 0  # exceptions in our own code
    unwritten: Sequence[str] = ()  # why feeds could not be written
    doubts: Sequence[str] = ()  # why records may be missing
    dropped: Collection[str] = ()  # expected fields that no record had, under the API's names
    absent: Mapping[str, int] = field(default_factory=dict)  # by field: records on pages where no record has it
    filled: Mapping[str, int] = field(default_factory=dict)  # by field: records with a value
    usual: Mapping[str, float] = field(default_factory=dict)  # by field: share of records with a value before
    may_be_empty: bool = False  # whether a run without any coin may be complete
    has_asked: bool = True  # whether there was anything to ask for
    coins_before: int = 0  # in the last complete run of the same scope; 0 if there was none


def decide(evidence: Evidence) -> tuple[Verdict, list[str]]:
    """The verdict, and the reasons if it is not `complete`."""
    reasons = list(evidence.doubts)
    if evidence.pages == 0 and evidence.has_asked:
        return Verdict.FAILED, reasons or ["no page was answered"]
    if evidence.records != evidence.seen:
        reasons.append(f"{counted(evidence.records, 'record')} came, and {evidence.seen:,} were stored or rejected")
    if evidence.errors:
        reasons.append(f"{counted(evidence.errors, 'unexpected error')}: the log has the details")
    reasons += evidence.unwritten
    if evidence.seen == 0 and not evidence.may_be_empty:
        reasons.append("the API returned no coins at all")
    if evidence.rejected > evidence.seen * MAX_REJECTED:
        reasons.append(f"{evidence.rejected:,} of {counted(evidence.seen, 'record')} were rejected")
    if evidence.dropped:
        reasons.append(f"the API does not send {', '.join(sorted(evidence.dropped))}")
    reasons += emptied(evidence.filled, evidence.usual)
    reasons += unsent(evidence.absent, evidence.filled, evidence.usual)
    if evidence.coins_before and evidence.coins < evidence.coins_before * MIN_COINS:
        reasons.append(f"{counted(evidence.coins, 'coin')}, but the last complete run had {evidence.coins_before:,}")
    return (Verdict.PARTIAL if reasons else Verdict.COMPLETE), reasons


def expected_values(filled: Mapping[str, int], usual: Mapping[str, float]) -> dict[str, float]:
    """By field: how many records would have a value if the share were as usual."""
    return {name: usual.get(name, 0) * filled.get(KEY, 0) for name in filled}


def emptied(filled: Mapping[str, int], usual: Mapping[str, float]) -> Iterator[str]:
    """The fields that have lost all or nearly all of their values, in words."""
    records, expected = filled.get(KEY, 0), expected_values(filled, usual)
    checked = (name for name in sorted(filled) if expected[name] >= ENOUGH_VALUES)
    fallen = [name for name in checked if filled[name] < expected[name] * MIN_FILLED]
    if empty := [name for name in fallen if not filled[name]]:
        yield f"empty in every record: {', '.join(empty)}"
    nearly = [
        f"{name} (in {filled[name]:,} of {records:,} records, {100 * usual[name]:.3g} % before)"
        for name in fallen
        if filled[name]
    ]
    if nearly:
        yield f"nearly empty: {', '.join(nearly)}"


def unsent(absent: Mapping[str, int], filled: Mapping[str, int], usual: Mapping[str, float]) -> Iterator[str]:
    """The fields that have lost some of their values because whole pages lack them, in words."""
    records, expected = filled.get(KEY, 0), expected_values(filled, usual)
    lost = [
        f"{name} ({absent[name]:,} of {records:,} records)"
        for name, count in sorted(filled.items())
        if name in absent and count and expected[name] - count >= max(ENOUGH_VALUES, expected[name] * MAX_ABSENT)
    ]
    if lost:
        yield f"missing from whole pages: {', '.join(lost)}"
