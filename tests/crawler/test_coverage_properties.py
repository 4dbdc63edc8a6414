"""Whatever a source does: a run that lacks a coin has a doubt."""

from random import Random
from typing import Any

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from coincrawl.pagination import NextLink, Offset, PageNumber
from tests.support.sources import (
    BROKEN,
    EMPTY,
    FIRST_PAGE,
    NO_COUNT,
    ONE_ROW_TOO_FEW,
    SHORT,
    Source,
    coins,
    crawl,
    numbered,
)

lapses = st.dictionaries(
    st.integers(1, 12), st.lists(st.sampled_from([EMPTY, SHORT, ONE_ROW_TOO_FEW, BROKEN, FIRST_PAGE]), max_size=3)
)
paginations = (
    st.builds(
        numbered,
        size=st.sampled_from([5, 7]),
        window=st.integers(1, 9),
        limit=st.none() | st.integers(1, 14),
        counted=st.sampled_from(["", "count"]),
    )
    | st.builds(Offset, size=st.sampled_from([4, 5, 7]), window=st.integers(1, 9))
    | st.sampled_from([NextLink(rows=""), NextLink(rows="", token="token", parameter="page")])
)


@given(
    pagination=paginations,
    number=st.integers(0, 60),
    before=st.integers(0, 90),
    lapses=lapses,
    for_ever=st.dictionaries(st.integers(1, 12), st.sampled_from([EMPTY, SHORT, ONE_ROW_TOO_FEW, BROKEN])),
    clamps=st.booleans(),
    order=st.randoms(use_true_random=False),
    gone=st.integers(0, 8),
    came=st.integers(0, 8),
)
@settings(deadline=None, max_examples=200)
def test_no_run_with_a_coin_lacking_is_free_of_doubt_where_the_source_counts(  # noqa: PLR0917 - hypothesis names them
    pagination: PageNumber | NextLink,
    number: int,
    before: int,
    lapses: dict[int, list[Any]],
    for_ever: dict[int, Any],
    clamps: bool,
    order: Random,
    gone: int,
    came: int,
) -> None:
    """Ids go, or others come, at any place and any time: those that were there all the time have been had."""
    source = Source(pagination, coins(number), lapses=dict(lapses), for_ever=for_ever, clamps=clamps)
    stayed, left, more = set(source.ids), gone, 0 if gone else came

    def change() -> None:
        nonlocal left, more
        if left and source.ids and order.random() < 0.3:
            stayed.discard(source.ids.pop(order.randrange(len(source.ids))))
            left -= 1
        if more and order.random() < 0.3:
            source.ids.insert(order.randint(0, len(source.ids)), f"newcomer-{more}")
            more -= 1

    coverage = crawl(source, before=before, order=order, meanwhile=change)

    limit = (pagination.limit or 0) * (pagination.size or 0)
    assume(not limit or not (gone or came))  # which ids a number of pages has, changes with them
    wanted = {*source.ids[:limit]} if limit else stayed
    event("doubt" if coverage.doubts() else "proof")
    assert coverage.doubts() or coverage.answered >= wanted


@given(
    pagination=paginations,
    number=st.integers(0, 60),
    before=st.integers(0, 90),
    page=st.integers(1, 12),
    lapse=st.sampled_from([EMPTY, BROKEN, SHORT, ONE_ROW_TOO_FEW]),
    order=st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=200)
def test_no_single_lapse_before_the_last_page_costs_a_coin_where_the_source_counts_nothing(  # noqa: PLR0917
    pagination: PageNumber | NextLink, number: int, before: int, page: int, lapse: Any, order: Random
) -> None:
    source = Source(pagination, coins(number), counts=NO_COUNT, lapses={page: [lapse]})
    last = -(-number // source.size)
    # A last page may be short, and nothing says how long a page of a chain is.
    assume(page < min(last, pagination.limit or last) or lapse is BROKEN or (lapse is EMPTY and pagination.is_numbered))
    assume(pagination.is_numbered or lapse in (EMPTY, BROKEN))
    assume(pagination.size in (source.size, None))  # nor of a source that sends smaller pages, which is the last

    coverage = crawl(source, before=before, order=order)

    limit = (pagination.limit or 0) * (pagination.size or 0)
    wanted = {*source.ids[:limit]} if limit else {*source.ids}
    assert coverage.doubts() or coverage.answered >= wanted
