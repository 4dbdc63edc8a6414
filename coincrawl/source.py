"""What a spider declares about its source. Other components use nothing else of a spider."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import scrapy
from django.db import models
from scrapy.http import Request, Response
from scrapy.settings import BaseSettings

from coincrawl import crawl_settings
from coincrawl.coverage import Coverage
from coincrawl.items import CoinItem
from coincrawl.meta import meta_of
from coincrawl.pagination import Pagination
from coincrawl.paths import Absent
from coincrawl.records import DateFormat, Names, Record, Translation
from coincrawl.responses import REMEDIES, Judgement, judge
from coincrawl.secret import Secret
from webapp.coins.cleaning import Unfit, check_for
from webapp.coins.models import FullCoin
from webapp.coins.texts import printable
from webapp.crawls.catalog import SPIDERS, parse_arguments, typical_calls

FIELDS = FullCoin.api_fields()
DECIMALS = [field.name for field in FIELDS if isinstance(field, models.DecimalField)]
DATES = [field.name for field in FullCoin._meta.concrete_fields if isinstance(field, models.DateTimeField)]

MAX_SIZE = 10_000  # records in a page, if the pagination does not say how many
MAX_EXCESS = 10  # an answer with ten times as many records as requested is broken
GONE_STATUSES = (404, 410)

_check_id: Callable[[Any], str] = check_for(FullCoin._meta.pk)


def usable_id(value: Any) -> str | None:
    """The id, or None if no coin can be stored under it."""
    try:
        return _check_id(value)
    except Unfit:
        return None


class Source(scrapy.Spider):
    """A source: its address, its limits, its pagination, and how its records become FullCoin's.

    A subclass declares at least `name`, `url` and `pagination`. `names` maps other names of fields to FullCoin's.
    """

    pagination: Pagination
    secret: Secret | None = None  # the key or token that requests carry
    accept = "application/json"  # the media type that requests ask for
    names: Names = {}  # by field of FullCoin: the path at which a record has it
    remedies: Mapping[int, str] = REMEDIES  # what to check if the source refuses, by error code or status
    fatal_codes: Collection[int] = ()  # error codes that are final even with status 429
    fields: Collection[str] | None = None  # FullCoin's fields that the source always sends; None: as in earlier runs
    dates: DateFormat = "iso"  # or "epoch_s", "epoch_ms": seconds or milliseconds since 1970
    numbers_as_text = False  # whether decimals are JSON strings, as Django REST Framework writes them
    ignored: Collection[str] = ()  # fields of its records that are not stored
    reports_missing = False  # whether `missing_since` in its records says that a coin has left the market
    feed_formats: Collection[str] = ()  # that its items can be written in; empty: all
    yields: Collection[type] = (CoinItem,)  # kinds of items, which decide about the pipelines
    round = 0  # of requests; a later round may ask again for records that came before

    def __init__(self, _job: str | None = None, **arguments: str) -> None:
        """`_job` is scrapyd's key for the run. Raises ArgumentError if an argument is unknown or invalid."""
        super().__init__()
        self.key = _job
        self.arguments = parse_arguments(self.name, arguments)
        self.newest_change: datetime | None = None  # in the source; the next run may ask for changes since then

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        super().update_settings(settings)
        if settings.getbool("RECORD_RUNS"):
            settings.setmodule(crawl_settings, priority="addon")
        else:  # a tool of Scrapy's, such as its shell
            settings.setdict(crawl_settings.IN_A_TOOL, priority="addon")
        headers = settings.getdict("DEFAULT_REQUEST_HEADERS") | {"Accept": cls.accept}
        settings.set("DEFAULT_REQUEST_HEADERS", headers, priority="spider")
        if cls.secret:
            cls.secret.read(settings)

    @property
    def url(self) -> str:
        """The source's address: no request goes to another origin."""
        raise NotImplementedError

    @property
    def collection(self) -> str:
        """The address of the first page, without the pagination's parameters."""
        return self.url

    @property
    def calls_per_minute(self) -> float:
        """The most calls a minute that the source allows; 0 for any number."""
        return 60.0

    @property
    def monthly_credits(self) -> int:
        """The most answers with status 200 that the source gives in a month; 0 for any number."""
        return 0

    @property
    def credential(self) -> str:
        """The key or token that requests carry; empty if there is none."""
        return self.settings[self.secret.setting] if self.secret else ""

    def secret_headers(self) -> Mapping[str, str]:
        """The headers with the credential. They are added to a request last, and are never logged."""
        return self.secret.headers(self.credential) if self.secret else {}

    @property
    def is_whole(self) -> bool:
        """Whether no argument narrows the run to a part of the source."""
        return not any(name in self.arguments for name in SPIDERS[self.name].narrowing)

    @property
    def is_incremental(self) -> bool:
        """Whether the run asks only for records that have changed. Their number may be any."""
        return False

    @property
    def scope(self) -> Mapping[str, Any]:
        """The arguments that a run must share for its records to be comparable with this run's."""
        narrowing = SPIDERS[self.name].narrowing if self.is_incremental else ()
        return {name: value for name, value in self.arguments.items() if name not in narrowing}

    @property
    def is_attended(self) -> bool:
        """Whether a person waits at a terminal."""
        return self.settings.getbool("ATTENDED") and self.key is None

    @property
    def expected_calls(self) -> int | None:
        """About how many calls the run takes; None if the size of that part of the source is unknown."""
        is_known = "ids" in self.arguments or (self.is_whole and SPIDERS[self.name].typical_records)
        return self.pagination.limit or (typical_calls(self.name, self.arguments) if is_known else None)

    def preparations(self) -> Iterable[Callable[[], None]]:
        """Functions that read from the database what to ask for, before the run begins. Each takes a second at most."""
        return ()

    @property
    def planned_calls(self) -> int | None:
        """How many calls the run takes, if the preparations have found that out."""
        return None

    @cached_property
    def coverage(self) -> Coverage:
        return self.new_coverage()

    def new_coverage(self) -> Coverage:
        """Make the value that holds what the run has seen, and what that proves."""
        return Coverage(self.pagination, is_whole=self.is_whole, is_incremental=self.is_incremental)

    @cached_property
    def translation(self) -> Translation:
        numbers = DECIMALS if self.numbers_as_text else ()
        return Translation(self.names, numbers, DATES, self.dates, self.ignored)

    def read(self, rows: Iterable[Any]) -> list[Record]:
        """The records of an answer, each with its id."""
        translation = self.translation
        ids = ((row, translation.value(row, "coin_id") if isinstance(row, dict) else None) for row in rows)
        return [Record(row, usable_id(value), translation) for row, value in ids]

    def expected_fields(self, usual: Mapping[str, float]) -> list[str]:
        """The fields that the source is known to send. `usual` is the share of records with a value, by field."""
        return [field.name for field in FIELDS if field.name in (self.fields or ()) or usual.get(field.name)]

    def judge(self, request: Request, response: Response) -> Judgement:
        meta, pagination = meta_of(request), self.pagination
        max_rows = MAX_EXCESS * (pagination.size or MAX_SIZE) if "page" in meta else meta.get("max_rows")
        return judge(
            response,
            datetime.now(UTC),
            rows=pagination.rows,
            is_empty=pagination.is_empty,
            is_record=lambda record: self.translation.value(record, "coin_id") is not Absent,
            max_rows=max_rows,
            is_end_404=pagination.is_numbered and meta.get("page", 1) > 1,
            remedies=self.remedies,
            fatal_codes=self.fatal_codes,
            hook=meta.get("json_hook"),
            limit=meta.get("download_maxsize") or self.settings.getint("DOWNLOAD_MAXSIZE"),
            secret=self.credential,
        )

    def survives(self, request: Request, status: int) -> bool:
        """Whether the run goes on without this request if the source refuses it with this status."""
        meta = meta_of(request)
        return meta.get("is_optional", False) or (meta.get("page", 0) > 1 and status in GONE_STATUSES)

    def following(self, request: Request) -> list[Request]:
        """The requests that do not have to wait for this one, which is tried again later."""
        return []

    @staticmethod
    def label(request: Request) -> str:
        meta = meta_of(request)
        return printable(meta.get("label") or f"page {meta['page']}", 200)
