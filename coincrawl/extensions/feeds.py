"""Feeds (`-O coins.json`): Scrapy's exporter, but the run learns which feeds could not be written."""

import asyncio
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import PureWindowsPath
from typing import Any
from urllib.parse import unquote, urlsplit

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.extensions.feedexport import FeedExporter, FeedSlot, FeedStorageProtocol
from scrapy.utils.defer import ensure_awaitable

from coincrawl.components import extension
from coincrawl.extensions.stop import Stop
from webapp.coins.texts import one_line

logger = logging.getLogger(__name__)

QUIET_FOR = 1.0  # seconds of storing before the log mentions it
LAST_PATIENCE = 3.0  # seconds to wait for a feed when the run is ending early

_login = re.compile(r"(?<=://)([^/:@]*):?([^/]*)@")  # user and password


def without_login(uri: str) -> str:
    return _login.sub("", uri)


def passwords(uris: Iterable[str]) -> list[str]:
    return [unquote(found[2]) for uri in uris if (found := _login.search(uri))]


async def unwritten(crawler: Crawler) -> list[str]:
    """Wait until all feeds are closed. Returns a sentence for each that could not be written."""
    if feeds := crawler.get_extension(Feeds):
        return await feeds.faults()
    return ["no feed could be written: the log says why"] if crawler.settings.getdict("FEEDS") else []


class Feeds(FeedExporter):
    """Scrapy's exporter. If a feed cannot be written, the others go on, and `faults` says why."""

    def __init__(self, crawler: Crawler) -> None:
        self._patience = crawler.settings.getfloat("FEED_PATIENCE")
        self._faults: dict[str, str] = {}  # by feed
        self._closing: dict[str, None] = {}  # feeds that are being stored, in order
        self._closed = asyncio.Event()
        super().__init__(crawler)

    @property
    def hangs(self) -> bool:
        """Whether a feed is still being stored, in a thread that cannot be stopped."""
        return bool(self._closing)

    async def faults(self) -> list[str]:
        await self._closed.wait()
        return [f"the feed {without_login(uri)} could not be written: {words}" for uri, words in self._faults.items()]

    # Scrapy's methods, called for one feed at a time ---------------------------------------------

    def open_spider(self, spider: Spider) -> None:
        feeds = self.feeds
        for uri, options in feeds.items():
            self.feeds = {uri: options}
            with self._noting(uri):
                super().open_spider(spider)
        self.feeds = feeds

    def item_scraped(self, item: Any, spider: Spider) -> None:
        slots, written = self.slots, list[FeedSlot]()
        for slot in slots:
            self.slots = [slot]
            with self._noting(slot.uri):
                super().item_scraped(item, spider)
                written += self.slots
        self.slots = written

    async def close_spider(self, spider: Spider) -> None:
        """Store all feeds. Those that take longer than FEED_PATIENCE (LAST_PATIENCE in an early end) are given up."""
        try:
            await self._wait_for(asyncio.create_task(super().close_spider(spider)))
            for uri in self._closing:
                self._note(uri, "it took too long (FEED_PATIENCE)")
        finally:
            self._closed.set()

    async def _wait_for(self, storing: asyncio.Task[None]) -> None:
        await asyncio.wait({storing}, timeout=QUIET_FOR)
        if storing.done():
            return
        logger.info("Waiting until %s is stored", ", ".join(map(without_login, self._closing)))
        end = extension(self.crawler, Stop).begun
        ending = asyncio.create_task(end.wait())
        await asyncio.wait({storing, ending}, timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if end.is_set():
            await asyncio.wait({storing}, timeout=LAST_PATIENCE)

    async def _close_slot(self, slot: FeedSlot, spider: Spider) -> None:
        """Like Scrapy's, but without a traceback in the log if storing fails."""
        if not slot.itemcount and not (slot.store_empty and slot.batch_id == 1):
            return
        self._closing[slot.uri] = None
        with self._noting(slot.uri):
            slot.start_exporting()
            slot.finish_exporting()
            file = self._get_file(slot)
            file.flush()  # standard output raises an error only now, if it is full or closed
            await ensure_awaitable(slot.storage.store(file))
            logger.info("Stored %s items in %s", f"{slot.itemcount:,}", without_login(slot.uri))
        del self._closing[slot.uri]
        await self.crawler.signals.send_catch_log_async(signals.feed_slot_closed, slot=slot)

    def _storage_supported(self, uri: str, feed_options: dict[str, Any]) -> bool:
        return True  # else Scrapy would export no feed at all; `_get_storage` raises ValueError for this one

    def _get_storage(self, uri: str, feed_options: dict[str, Any]) -> FeedStorageProtocol:
        scheme = urlsplit(uri).scheme
        if scheme not in self.storages and not PureWindowsPath(uri).drive:
            raise ValueError(f"{scheme}:// is not supported")
        return super()._get_storage(uri, feed_options)

    # Faults --------------------------------------------------------------------------------------

    @contextmanager
    def _noting(self, uri: str) -> Iterator[None]:
        """Any exception in this context is noted as a fault of the feed."""
        try:
            yield
        except Exception as error:
            self._note(uri, getattr(error, "strerror", None) or one_line(error))

    def _note(self, uri: str, words: str) -> None:
        if uri not in self._faults:
            self._faults[uri] = words = without_login(words)
            logger.warning("The feed %s cannot be written: %s", without_login(uri), words)
