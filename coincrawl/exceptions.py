"""Why a request has no usable answer."""

from scrapy.exceptions import IgnoreRequest


class StayedBroken(IgnoreRequest):
    """All tries of a request failed; the text says how the last one did."""


class WasRefused(IgnoreRequest):
    """The source refuses this request, and the run goes on without it; the text has the source's words."""
