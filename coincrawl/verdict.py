"""From what a run has seen to what it may claim. Pure: numbers and reasons in, a verdict out."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from webapp.coins.texts import counted
from webapp.crawls.verdict import Verdict

SHRINKAGE = 0.80  # of the last complete run's coins; fewer are not believed
REJECTED_SHARE = 0.01  # of what was seen; fewer rejected records do not spoil a run
ENOUGH_VALUES = 10  # that a field is expected to have; fewer may go without a fault, a coin at a time
KEY = "coin_id"  # the field that has a value in every record that can be stored
FALL = 0.1  # of the usual share of records that have a value in a field; less is not believed
ABSENT_SHARE = 0.1  # of a field's usual values that may be lacking where whole pages are without the field

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
    """What a run that was not cut short has to show."""

    pages: int
    records: int  # in all answers
    seen: int  # of them, stored or rejected
    coins: int  # different ones
    rejected: int
    errors: int = 0  # exceptions in our own code
    unwritten: Sequence[str] = ()  # why feeds could not be written
    doubts: Sequence[str] = ()  # the spider's reasons why this may not be everything
    dropped: Collection[str] = ()  # the API's names of fields that no record had
    absent: Mapping[str, int] = field(default_factory=dict)  # by field: records on pages that did not have it at all
    filled: Mapping[str, int] = field(default_factory=dict)  # by field that records had: how many had a value in it
    usual: Mapping[str, float] = field(default_factory=dict)  # the share of records that had, in complete runs
    may_be_empty: bool = False  # no coins at all are a possible answer
    coins_before: int = 0  # in the last complete run of the same scope; 0: there was none


def decide(evidence: Evidence) -> tuple[Verdict, list[str]]:
    """The verdict, and the reasons where it is not `complete`."""
    reasons = list(evidence.doubts)
    if evidence.pages == 0:
        return Verdict.FAILED, reasons or ["no page was answered"]
    if evidence.records != evidence.seen:
        reasons.append(f"{counted(evidence.records, 'record')} came, and {evidence.seen:,} were stored or rejected")
    if evidence.errors:
        reasons.append(f"{counted(evidence.errors, 'unexpected error')}: the log has the details")
    reasons += evidence.unwritten
    if evidence.seen == 0 and not evidence.may_be_empty:
        reasons.append("the API returned no coins at all")
    if evidence.rejected > evidence.seen * REJECTED_SHARE:
        reasons.append(f"{evidence.rejected:,} of {counted(evidence.seen, 'record')} were rejected")
    if evidence.dropped:
        reasons.append(f"the API no longer sends {', '.join(sorted(evidence.dropped))}")
    reasons += emptied(evidence.filled, evidence.usual)
    reasons += unsent(evidence.absent, evidence.filled, evidence.usual)
    if evidence.coins_before and evidence.coins < evidence.coins_before * SHRINKAGE:
        reasons.append(f"{counted(evidence.coins, 'coin')}, where the last complete run had {evidence.coins_before:,}")
    return (Verdict.PARTIAL if reasons else Verdict.COMPLETE), reasons


def expected_values(filled: Mapping[str, int], usual: Mapping[str, float]) -> dict[str, float]:
    """By field that records had: in how many of them a value is usual."""
    return {name: usual.get(name, 0) * filled.get(KEY, 0) for name in filled}


def emptied(filled: Mapping[str, int], usual: Mapping[str, float]) -> Iterator[str]:
    """In words, the fields that have lost their values, all or nearly all."""
    records, expected = filled.get(KEY, 0), expected_values(filled, usual)
    fallen = sorted(
        name for name, count in filled.items() if expected[name] >= ENOUGH_VALUES and count < expected[name] * FALL
    )
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
    """In words, the fields that have lost values because whole pages came without them, but not all."""
    records, expected = filled.get(KEY, 0), expected_values(filled, usual)
    lost = [
        f"{name} ({absent[name]:,} of {records:,} records)"
        for name, count in sorted(filled.items())
        if name in absent and count and expected[name] - count >= max(ENOUGH_VALUES, expected[name] * ABSENT_SHARE)
    ]
    if lost:
        yield f"missing from whole pages: {', '.join(lost)}"
