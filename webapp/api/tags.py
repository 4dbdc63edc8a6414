"""ETags of pages that are known before a page is written: they are hashes of what is stored, not of what is sent."""

import marshal
from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any

from django.db import connection, models
from django.db.models import BigIntegerField, Field, Func
from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from rest_framework.request import Request

from webapp.api.pages import Found, Page
from webapp.coins import fields as reading
from webapp.coins import numbers, values

# What turns rows into a page. With other code, the same rows may be another page.
SOURCES = sorted(Path(__file__).parent.glob("*.py"))
SOURCES += [Path(str(module.__file__)) for module in (reading, numbers, values)]
CODE = b"".join(blake2b(path.read_bytes()).digest() for path in SOURCES)


def marks(fields: Sequence[models.Field]) -> list[Func]:
    """Columns that tell whether any of these fields has changed, however it was changed.

    PostgreSQL hashes them itself. SQLite, which has no hash, returns the stored values: the sign keeps Django from
    converting them.
    """
    names = [field.name for field in fields]
    if connection.vendor == "postgresql":
        template = "hash_record_extended(ROW(%(expressions)s), 0)"
        return [Func(*names, template=template, output_field=BigIntegerField())]
    return [Func(name, template="+%(expressions)s", output_field=Field()) for name in names]


def tag_of(request: Request, found: Found, number: int) -> str:
    """The ETag of a page whose rows begin with their key and `number` marks."""
    state = [request.build_absolute_uri(), found.total, *chain.from_iterable(row[: number + 1] for row in found.rows)]
    # This version of the format depends on nothing but the values.
    return f'"{blake2b(CODE + marshal.dumps(state, 2), digest_size=16).hexdigest()}"'


def unchanged(request: Request, page: Page, columns: Sequence[Any]) -> HttpResponse | None:
    """The answer to a request that only wants a page if it has changed, or has not: 304 or 412. None: the page."""
    if not {"HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH"} & request.META.keys():
        return None
    tag = tag_of(request, page.read(columns), len(columns))
    answer: HttpResponse | None = get_conditional_response(request, tag)
    if answer:
        answer.headers["ETag"] = tag
    return answer
