"""How to get from one page to the next. Stateless, because Scrapy retries and reorders; no Django, no engine.

A pagination is an object on the spider. It answers one question, `next(...)`: which pages to ask for now that this
one has been answered. The run's Coverage remembers what has been asked for and had. A request's `meta["page"]` is its
page's number, in a chain of links its place in it.
"""

from coincrawl.pagination.base import PagingError
from coincrawl.pagination.links import NextLink, OnePage
from coincrawl.pagination.numbers import Offset, PageNumber

Pagination = PageNumber | NextLink

__all__ = ["NextLink", "Offset", "OnePage", "PageNumber", "Pagination", "PagingError"]
