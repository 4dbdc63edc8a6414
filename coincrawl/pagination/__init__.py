"""How to get from one page to the next.

A pagination is an object on the spider. Its `next` returns the requests for the pages after an answered one. It has no
state, because Scrapy retries and reorders requests: the run's Coverage remembers what was asked for and what came. A
request's `meta["page"]` is the number of its page, or its place in a chain of links.
"""

from coincrawl.pagination.base import PagingError
from coincrawl.pagination.links import NextLink, OnePage
from coincrawl.pagination.numbers import Offset, PageNumber

Pagination = PageNumber | NextLink

__all__ = ["NextLink", "Offset", "OnePage", "PageNumber", "Pagination", "PagingError"]
