"""The admin through Django's test client: where its pages are, what they say, and texts that try to break them."""

import re
from html import unescape

import pytest
from django.contrib.admin.utils import quote
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

HOSTILE = {
    "markup": "<script>alert(1)</script>",
    "braces": "{0}",
    "percent": "%s %(name)s",
    "template": "{{ request }}{% now 'Y' %}",
    "attribute": "\" onmouseover='alert(1)'",
    "right to left": "الذهب \u202eالرقمي",
    "emoji": "🚀",
    "path": "a/b/../c?d=e&f#g",
    "underscores": "_00_2F_5F",
    "blank": " ",
    "empty": "",
}
hostile = pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in HOSTILE.items()])


def page_of(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[quote(str(row.pk))])


def text_of(client: Client, address: str) -> str:
    """What a page says, without its markup, in single spaces."""
    response = client.get(address)
    assert response.status_code == 200
    without = re.sub(r"(?s)<(script|style)\b.*?</\1>|<[^>]*>", " ", response.content.decode())
    return " ".join(unescape(without).split())


def keys_in_list(client: Client, address: str) -> list[str]:
    response = client.get(address)
    assert response.status_code == 200
    return [str(row.pk) for row in response.context["cl"].result_list]


def queries_of(client: Client, address: str) -> int:
    """How many queries a page takes."""
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    return len(captured)
