"""`scrapy parse --spider=markets URL`: the coins of a page, as the spider would store them."""

import argparse
import logging
from typing import Any

from scrapy import Spider
from scrapy.commands import parse
from scrapy.exceptions import UsageError
from scrapy.http import Request, Response

from coincrawl.meta import meta_of, request_of
from coincrawl.responses import Rows
from coincrawl.spiders.base import PaginatedSpider
from webapp.crawls.catalog import SPIDERS, ArgumentError, parse_arguments

logger = logging.getLogger(__name__)


def nothing(response: Response) -> list[Request]:
    """The callback of an answer that is no page."""
    return []


class Command(parse.Command):
    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        super().process_options(args, opts)
        if opts.spider in SPIDERS:
            try:
                parse_arguments(opts.spider, opts.spargs)
            except ArgumentError as error:
                raise UsageError(str(error), print_help=False) from None
        opts.pipelines = not opts.output  # with -o they go through the pipelines anyway

    def prepare_request(self, spider: Spider, request: Request, opts: argparse.Namespace) -> Request:
        """The first page, unless -m '{"page": 7, "expected": 7}' names another."""
        if isinstance(spider, PaginatedSpider):
            request.meta.update(spider.pagination.first(request.url).meta)
        return super().prepare_request(spider, request, opts)

    def run_callback(self, response: Response, callback: Any, cb_kwargs: dict[str, Any] | None = None) -> Any:
        spider = self.pcrawler.spider
        if isinstance(spider, PaginatedSpider):
            judgement = spider.judge(request_of(response), response)
            if not isinstance(judgement, Rows):
                logger.error("%s is no page of %s: %s", response.url, spider.name, judgement)
                return super().run_callback(response, nothing)
            meta_of(response)["judgement"] = judgement
        return super().run_callback(response, callback, cb_kwargs)
