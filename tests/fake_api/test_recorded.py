"""A fake API that serves recorded pages."""

from pathlib import Path

import pytest

from fake_api import FakeAPI, Market
from tests.support.asking import ask

RECORDED = """[\r
  {"name": "Zwei \\u00e9 é", "id": "b", "current_price": 1.10e-07, "market_cap_rank": 2, "total_volume": 5.0,
   "last_updated": "2025-05-09T06:04:23.041Z", "extra": [1.00, {"deep": -0.0}]},
  {"id":"a","current_price":123456789012345678901234567890.1200,"market_cap_rank":1,"last_updated":null}
]"""
NEWER = '[{"id":"a","current_price":2.50,"market_cap_rank":1,"last_updated":"2025-05-09T06:04:23.041Z"}]'
OLDER = '[{"id":"b","current_price":9,"market_cap_rank":1,"last_updated":"2025-05-09T08:00:00.000+08:00"}]'


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    (tmp_path / "1.json").write_bytes(RECORDED.encode())
    (tmp_path / "list.json").write_text('[{"id": "c", "symbol": "c", "name": "only listed"}]')
    (tmp_path / "error.json").write_text('{"error": [1]}')
    (tmp_path / "notes.txt").write_text("no page")
    return tmp_path


def test_recorded_records_are_served_character_for_character(pages):
    with FakeAPI(pages=pages) as api:
        page = ask(api, order="id_asc")

    second, first = RECORDED.removeprefix("[\r\n  ").removesuffix("\n]").split(",\n  {")
    assert page.body.decode() == f"[{{{first},{second}]"


def test_of_a_coin_recorded_twice_the_newest_record_counts(pages):
    (pages / "0.json").write_text(NEWER)
    (pages / "2.json").write_text(OLDER)

    market = Market.recorded(pages)

    assert market.ids == ["a", "b"]
    assert market.record("a")["current_price"] == "2.50"
    assert market.record("b")["current_price"] == "1.10e-07"


def test_recorded_pages_are_paged_ordered_and_listed_like_a_made_market(pages):
    with FakeAPI(pages=pages) as api:
        orders = [ask(api, order=order).ids for order in ("market_cap_desc", "volume_desc", "id_desc")]
        second, asked, listing = ask(api, per_page=1, page=2), ask(api, ids="b"), ask(api, "/coins/list")

    assert orders == [["a", "b"], ["b", "a"], ["b", "a"]]
    assert (second.ids, asked.ids, listing.ids) == (["b"], ["b"], ["a", "b"])


@pytest.mark.parametrize("content", ['[{"id": "a"', "[]"])
def test_a_directory_without_sound_pages_is_refused(tmp_path, content):
    (tmp_path / "1.json").write_text(content)

    with pytest.raises(ValueError, match=r"no recorded page"):
        FakeAPI(pages=tmp_path)
