"""Why a request has no usable answer, beyond Scrapy's own exceptions."""

from scrapy.exceptions import IgnoreRequest


class WasRefused(IgnoreRequest):
    """The source refuses this request, and the run goes on without it; the text has the source's words."""
