"""What a request's `meta` may have: each key that this project sets or reads, with its type."""

from collections.abc import Collection
from typing import TypedDict, cast

from scrapy.http import Request, Response

from coincrawl.body import Hook
from coincrawl.responses import Broken, Rows, Throttled


class Meta(TypedDict, total=False):
    # What the request asks for
    page: int  # the page's number, from 1 up; in a chain of links its place in it
    expected: int  # numbered pages: how many are known to be there
    step: int  # offsets: how many records the first page had, where that is fewer than were asked for
    empty: int  # links: how many pages in a row were empty up to this one
    ids: Collection[str]  # of the records that are asked for by their ids
    label: str  # what is asked for, in words, where it is no page
    max_rows: int  # the most records that an answer is believed to have, where it is no page
    is_optional: bool  # whether the run goes on where the source refuses it
    json_hook: Hook  # json's object_pairs_hook, where only a part of the answer is wanted
    # What becomes of it
    not_before: float  # seconds of the monotonic clock: when a broken request is tried again
    throttle: float  # seconds: AutoThrottle's delay when the request left
    judgement: Rows | Throttled | Broken  # of its answer; a spider gets Rows alone
    # Scrapy's own
    download_latency: float
    download_maxsize: int
    proxy: str
    retry_times: int
    verbatim_url: bool


def meta_of(request: Request | Response) -> Meta:
    """The `meta` of a request, or of the request that was answered so."""
    return cast(Meta, request.meta)


def rows_in(response: Response) -> Rows:
    """The records in an answer that reached a spider."""
    return cast(Rows, meta_of(response)["judgement"])


def request_of(response: Response) -> Request:
    """The request that was answered so."""
    return cast(Request, response.request)


def label_of(request: Request) -> str:
    """What a request asks for, in words."""
    meta = meta_of(request)
    return meta.get("label") or f"page {meta['page']}"
