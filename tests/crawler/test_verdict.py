"""What a run may claim, in a table."""

import pytest

from coincrawl.verdict import EXIT_STATUS, Evidence, decide
from webapp.crawls.verdict import Verdict


def evidence(**facts: object) -> Evidence:
    return Evidence(**{"pages": 4, "records": 1_000, "seen": 1_000, "coins": 1_000, "rejected": 0} | facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        ({}, "complete", ""),
        ({"rejected": 10}, "complete", ""),
        ({"rejected": 11}, "partial", "11 of 1,000 records were rejected"),
        ({"doubts": ["page 7 stayed broken: status 500"]}, "partial", "page 7 stayed broken: status 500"),
        ({"dropped": {"roi", "ath"}}, "partial", "the API does not send ath, roi"),
        ({"filled": {"coin_id": 1_000, "ath": 0}, "usual": {"ath": 0.01}}, "partial", "empty in every record: ath"),
        ({"filled": {"coin_id": 990, "ath": 0}, "usual": {"ath": 0.01}}, "complete", ""),
        ({"filled": {"coin_id": 10, "ath": 0}, "usual": {"ath": 1.0}}, "partial", "empty in every record: ath"),
        ({"filled": {"coin_id": 9, "ath": 0}, "usual": {"ath": 1.0}}, "complete", ""),
        ({"filled": {"coin_id": 1_000, "ath": 0}}, "complete", ""),
        ({"filled": {"coin_id": 1_000}, "usual": {"ath": 1.0}}, "complete", ""),
        (
            {
                "filled": {"coin_id": 1_000, "ath": 99, "atl": 1, "roi": 0},
                "usual": {"ath": 1.0, "atl": 0.5, "roi": 1.0},
            },
            "partial",
            "empty in every record: roi; nearly empty: ath (in 99 of 1,000 records, 100 % before), "
            "atl (in 1 of 1,000 records, 50 % before)",
        ),
        ({"filled": {"coin_id": 1_000, "ath": 100}, "usual": {"ath": 1.0}}, "complete", ""),
        (
            {"absent": {"ath": 100}, "filled": {"coin_id": 1_000, "ath": 900}, "usual": {"ath": 1.0}},
            "partial",
            "missing from whole pages: ath (100 of 1,000 records)",
        ),
        ({"absent": {"ath": 99}, "filled": {"coin_id": 1_000, "ath": 901}, "usual": {"ath": 1.0}}, "complete", ""),
        (
            {"absent": {"ath": 900}, "filled": {"coin_id": 1_000, "ath": 90}, "usual": {"ath": 0.1}},
            "partial",
            "missing from whole pages: ath (900 of 1,000 records)",
        ),
        ({"absent": {"ath": 900}, "filled": {"coin_id": 1_000, "ath": 91}, "usual": {"ath": 0.1}}, "complete", ""),
        ({"absent": {"ath": 100}, "filled": {"coin_id": 1_000, "ath": 900}, "usual": {"ath": 0.0}}, "complete", ""),
        ({"filled": {"coin_id": 1_000, "ath": 500}, "usual": {"ath": 1.0}}, "complete", ""),
        ({"absent": {"ath": 30}, "filled": {"coin_id": 60, "ath": 3}, "usual": {"ath": 0.2}}, "complete", ""),
        (
            {"absent": {"ath": 30}, "filled": {"coin_id": 60, "ath": 2}, "usual": {"ath": 0.2}},
            "partial",
            "missing from whole pages: ath (30 of 60 records)",
        ),
        ({"coins_before": 1_250}, "complete", ""),
        ({"coins_before": 1_251}, "partial", "1,000 coins, but the last complete run had 1,251"),
        ({"errors": 1}, "partial", "1 unexpected error"),
        ({"unwritten": ["the feed x could not be written: full"]}, "partial", "the feed x could not be written: full"),
        ({"coins": 999, "coins_before": 1_250}, "partial", "999 coins, but the last complete run had 1,250"),
        ({"records": 999}, "partial", "999 records came, and 1,000 were stored or rejected"),
        ({"records": 1_001}, "partial", "1,001 records came, and 1,000 were stored or rejected"),
        ({"records": 0, "seen": 0, "coins": 0}, "partial", "the API returned no coins at all"),
        ({"records": 0, "seen": 0, "coins": 0, "may_be_empty": True}, "complete", ""),
        ({"pages": 0, "records": 0, "seen": 0, "coins": 0}, "failed", "no page was answered"),
        ({"pages": 0, "records": 0, "seen": 0, "coins": 0, "unwritten": ["x"]}, "failed", "no page was answered"),
        ({"pages": 0, "records": 0, "seen": 0, "coins": 0, "doubts": ["page 1 is gone"]}, "failed", "page 1 is gone"),
    ],
)
def test_only_proof_makes_a_run_complete(facts: dict[str, object], verdict: str, words: str) -> None:
    decided, reasons = decide(evidence(**facts))

    assert decided == verdict
    assert words in "; ".join(reasons)
    assert bool(reasons) == (verdict != "complete")


def test_rejected_records_are_coins_that_the_api_returned() -> None:
    assert decide(evidence(rejected=1_000, coins=0))[1] == ["1,000 of 1,000 records were rejected"]


def test_a_field_that_all_pages_are_without_is_named_once() -> None:
    facts = {"absent": {"ath": 1_000}, "filled": {"coin_id": 1_000, "ath": 0}, "usual": {"ath": 1.0}}

    assert decide(evidence(**facts))[1] == ["empty in every record: ath"]


def test_every_verdict_that_can_end_a_run_has_an_exit_status() -> None:
    assert EXIT_STATUS == {
        Verdict.COMPLETE: 0,
        Verdict.FAILED: 1,
        Verdict.LOST: 1,
        Verdict.PARTIAL: 3,
        Verdict.SKIPPED: 75,
        Verdict.INTERRUPTED: 130,
    }
    assert EXIT_STATUS.keys() == set(Verdict) - {Verdict.PENDING, Verdict.RUNNING}
