"""What a run may claim, in a table."""

import pytest

from coincrawl.verdict import EXIT_STATUS, Evidence, decide
from webapp.coins.models import Verdict


def evidence(**facts: object) -> Evidence:
    return Evidence(**{"pages": 4, "records": 1_000, "seen": 1_000, "coins": 1_000, "rejected": 0} | facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        ({}, "complete", ""),
        ({"rejected": 10}, "complete", ""),
        ({"rejected": 11}, "partial", "11 of 1000 records were rejected"),
        ({"doubts": ["page 7 stayed broken: status 500"]}, "partial", "page 7 stayed broken: status 500"),
        ({"dropped": {"roi", "ath"}}, "partial", "the API no longer sends ath, roi"),
        ({"emptied": {"ath"}}, "partial", "empty in every record: ath"),
        ({"emptied": {"ath"}, "seen": 249, "records": 249}, "complete", ""),
        ({"coins_before": 1_250}, "complete", ""),
        ({"coins_before": 1_251}, "partial", "1000 coins, where the last complete run had 1251"),
        ({"errors": 1}, "partial", "1 errors that nobody expected"),
        ({"records": 1_001}, "partial", "1 records were neither stored nor rejected"),
        ({"records": 0, "seen": 0, "coins": 0}, "partial", "the API returned no coins at all"),
        ({"records": 0, "seen": 0, "coins": 0, "may_be_empty": True}, "complete", ""),
        ({"pages": 0, "records": 0, "seen": 0, "coins": 0}, "failed", "no page was answered"),
    ],
)
def test_only_proof_makes_a_run_complete(facts: dict[str, object], verdict: str, words: str) -> None:
    decided, reasons = decide(evidence(**facts))

    assert decided == verdict
    assert words in "; ".join(reasons)
    assert bool(reasons) == (verdict != "complete")


def test_every_verdict_that_can_end_a_run_has_an_exit_status() -> None:
    assert EXIT_STATUS.keys() == set(Verdict) - {Verdict.PENDING, Verdict.RUNNING}
