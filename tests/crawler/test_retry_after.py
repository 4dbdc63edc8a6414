"""For how long an answer asks to wait."""

from typing import Any

import pytest

from coincrawl.responses import Throttled
from fake_api import answers
from tests.support.judging import judged, table

DATE = {"date": "Sun, 22 Nov 2026 12:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    table(
        {
            "seconds": ({"retry-after": "30"}, 30),
            "seconds in spaces": ({"retry-after": " 30 "}, 30),
            "a day": ({"retry-after": "86400"}, 86400),
            "RFC 1123": ({"retry-after": "Sun, 22 Nov 2026 12:01:30 GMT", **DATE}, 90),
            "RFC 850": ({"retry-after": "Sunday, 22-Nov-26 12:01:30 GMT", **DATE}, 90),
            "asctime": ({"retry-after": "Sun Nov 22 12:01:30 2026", **DATE}, 90),
            "by a clock that is late": (
                {"retry-after": "Mon, 01 Jan 2001 00:00:07 GMT", "date": "1 Jan 2001 00:00"},
                7,
            ),
            "without a Date, by ours": ({"retry-after": "Sun, 22 Nov 2026 12:01:30 GMT"}, 90),
            "with a Date that is none": ({"retry-after": "Sun, 22 Nov 2026 12:01:30 GMT", "date": "today"}, 90),
            "reset": ({"x-ratelimit-reset": "2026-11-22 12:00:54 +0000", **DATE}, 54),
            "reset in another zone": ({"x-ratelimit-reset": "2026-11-22 14:00:54 +0200", **DATE}, 54),
            "reset without a Date": ({"x-ratelimit-reset": "2026-11-22 12:00:54 +0000"}, 54),
            "both, and seconds count": ({"retry-after": "5", "x-ratelimit-reset": "2026-11-22 12:00:54 +0000"}, 5),
            "nonsense and reset": ({"retry-after": "soon", "x-ratelimit-reset": "2026-11-22 12:00:54 +0000"}, 54),
            "zero and reset": ({"retry-after": "0", "x-ratelimit-reset": "2026-11-22 12:00:54 +0000"}, 54),
            "the past and reset": (
                {"retry-after": "Sun, 22 Nov 2026 11:59:00 GMT", "x-ratelimit-reset": "2026-11-22 12:00:54 +0000"},
                54,
            ),
            "nothing": ({}, None),
            "empty": ({"retry-after": ""}, None),
            "zero": ({"retry-after": "0"}, None),
            "zeros": ({"retry-after": "000"}, None),
            "negative": ({"retry-after": "-5"}, None),
            "signed": ({"retry-after": "+5"}, None),
            "decimal": ({"retry-after": "30.5"}, None),
            "scientific": ({"retry-after": "1e3"}, None),
            "another script's digits": ({"retry-after": "\u0663\u0660"}, None),
            "latin-1's digits": ({"retry-after": b"3\xb2"}, None),
            "nonsense": ({"retry-after": "soon"}, None),
            "35 digits": ({"retry-after": "9" * 35}, None),
            "two values": ({"retry-after": "30, 60"}, None),
            "now": ({"retry-after": "Sun, 22 Nov 2026 12:00:00 GMT", **DATE}, None),
            "the past": ({"retry-after": "Sun, 22 Nov 2026 11:59:00 GMT", **DATE}, None),
            "no possible date": ({"retry-after": "Sun, 31 Feb 2026 12:01:30 GMT", **DATE}, None),
            "reset in the past": ({"x-ratelimit-reset": "2026-11-22 11:59:00 +0000", **DATE}, None),
            "reset is nonsense": ({"x-ratelimit-reset": "soon", **DATE}, None),
            "reset without a zone": ({"x-ratelimit-reset": "2026-11-22 12:00:54", **DATE}, None),
            "reset as a number": ({"x-ratelimit-reset": "1795348854", **DATE}, None),
        }
    ),
)
def test_how_long_to_wait_is_read_where_it_makes_sense(headers: dict[str, Any], seconds: float | None) -> None:
    judgement = judged(answers.RATE_LIMITED, headers)

    assert isinstance(judgement, Throttled)
    assert judgement.seconds == seconds
