"""The keys of a request's `meta` that this project sets or reads, with their types."""

from collections.abc import Collection
from typing import TypedDict, cast

from scrapy.http import Request, Response

from coincrawl.body import Hook
from coincrawl.responses import Broken, Rows, Throttled


class Meta(TypedDict, total=False):
    # What the request asks for
    page: int  # the page's number, from 1; in a chain of links its place
    expected: int  # numbered pages: how many pages are known to exist
    is_ahead: bool  # numbered pages: whether it is requested before it is known that the pages go on up to it
    step: int  # offsets: the size of the first page, if that is smaller than requested
    empty: int  # links: how many pages in a row were empty, up to this one
    ids: Collection[str]  # that are requested
    label: str  # what is requested, in words, if it is not a page
    max_rows: int  # an answer with more records is broken, if it is not a page
    is_optional: bool  # whether the run goes on if the source refuses the request
    json_hook: Hook  # json's object_pairs_hook, if only a part of the answer is needed
    # What happens to it
    not_before: float  # seconds of the monotonic clock: when a broken request is tried again
    throttle: float  # seconds: AutoThrottle's delay when the request left
    judgement: Rows | Throttled | Broken  # of its answer; a spider only receives Rows
    # Scrapy's own
    download_latency: float
    download_maxsize: int
    proxy: str
    retry_times: int
    verbatim_url: bool


def meta_of(request: Request | Response) -> Meta:
    """The `meta` of a request, or of the request that a response answers."""
    return cast(Meta, request.meta)


def rows_in(response: Response) -> Rows:
    """The records in an answer that reached a spider."""
    return cast(Rows, meta_of(response)["judgement"])


def request_of(response: Response) -> Request:
    """The request that a response answers."""
    return cast(Request, response.request)
