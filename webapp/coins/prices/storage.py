"""Where the archive is: a folder, or a store that fsspec knows, such as S3. Names of files are relative to it."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import IO

from django.db import Error
from fsspec.core import url_to_fs
from fsspec.implementations.arrow import ArrowFSWrapper
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem
from pyarrow.fs import S3FileSystem

from webapp.coins.texts import one_line

DRAFT = ".draft"  # engines skip such files: they are not *.parquet, and begin with `_`
ABANDONED = timedelta(days=1)  # the age of a draft that nobody writes any more


class ArchiveError(Exception):
    """The archive cannot be used. The message says why, and what to do."""


class DamagedError(ArchiveError):
    """A file is not as it was written."""


def _opened(url: str) -> tuple[AbstractFileSystem, str]:
    """The files of an address, and the path of its root among them."""
    if url.startswith("s3://"):  # not fsspec's s3fs, because it needs older versions of packages that are pinned
        store, root = S3FileSystem.from_uri(url)
        return ArrowFSWrapper(store), root
    try:
        files, root = url_to_fs(url, use_listings_cache=False)  # other processes write here too
    except ImportError as error:
        raise ArchiveError(f"ARCHIVE_URL={url} needs a package: {one_line(error)}.") from error
    except ValueError as error:
        raise ArchiveError(f"ARCHIVE_URL={url} is no address that fsspec knows: {one_line(error)}.") from error
    return files, root


class Storage:
    """Each method raises ArchiveError if the storage cannot be used."""

    def __init__(self, url: str) -> None:
        self.url = url
        with self._explained("used"):
            self.files, self.root = _opened(url)
        self.is_local = isinstance(self.files, LocalFileSystem)
        if self.is_local and not os.path.isdir(self.root):
            raise ArchiveError(f"The archive {url} is not a folder: make it, mount it, or name another in ARCHIVE_URL.")

    @contextmanager
    def _explained(self, what: str, *others: type[Exception]) -> Iterator[None]:
        try:
            yield
        except (ArchiveError, Error):
            raise
        except others:
            raise
        except Exception as error:  # the libraries of stores raise errors of their own classes
            reason = getattr(error, "strerror", None) or one_line(error) or type(error).__name__
            raise ArchiveError(f"The archive {self.url} cannot be {what} ({reason}): check ARCHIVE_URL.") from error

    def path(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"

    def has(self, name: str) -> bool:
        with self._explained("read"):
            return bool(self.files.exists(self.path(name)))

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """Raises FileNotFoundError if there is no such file."""
        with self._explained("read", FileNotFoundError), self.files.open(self.path(name), "rb") as file:
            yield file

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """The file is on the disk when this ends."""
        with self._explained("written"):
            path = self.path(name)
            if self.is_local:  # other stores have no folders
                self.files.makedirs(os.path.dirname(path), exist_ok=True)
            with self.files.open(path, "wb") as file:
                yield file
                if self.is_local:
                    file.flush()
                    os.fsync(file.fileno())

    def checksum(self, name: str) -> str:
        """SHA-256 of the file. Raises FileNotFoundError if there is none."""
        with self.reading(name) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]

    def move(self, draft: str, name: str) -> None:
        """Give a file its name. Readers see the old file or the new one, never a part.

        In a folder it is renamed. Stores such as S3 cannot rename: they copy it, and show a copy when it is whole.
        """
        with self._explained("written"):
            if not self.is_local:
                self.files.mv(self.path(draft), self.path(name))
                return
            os.replace(self.path(draft), self.path(name))
            folder = os.open(os.path.dirname(self.path(name)), os.O_RDONLY)
            try:
                os.fsync(folder)  # or else a power cut may undo it
            finally:
                os.close(folder)

    def remove(self, name: str) -> None:
        """Does nothing if there is no such file, or if it cannot be removed."""
        with suppress(ArchiveError), self._explained("written"):
            self.files.rm_file(self.path(name))

    def remove_abandoned(self, folder: str) -> None:
        """Remove the drafts of processes that were killed."""
        with suppress(ArchiveError), self._explained("written"):
            for path in self.files.ls(self.path(folder), detail=False):
                if path.endswith(DRAFT) and self.files.modified(path) < datetime.now(UTC) - ABANDONED:
                    self.files.rm_file(path)
