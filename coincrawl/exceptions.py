"""Why a request has no answer that a spider could use."""

from scrapy.exceptions import IgnoreRequest


class StayedBroken(IgnoreRequest):
    """A page was asked for as often as is sensible; the text says what came."""


class WasRefused(IgnoreRequest):
    """The source refuses this request, and the run goes on without its answer; the text says how it did."""
