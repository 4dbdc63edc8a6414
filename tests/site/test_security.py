"""What the site tells browsers about security, and requests that no page would send."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from tests.support.factories import make_schedule
from tests.support.processes import ROOT

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

PAGES = ("/admin/login/", "/api/docs/", "/api/docs/?script=", "/api/health/", "/nowhere", "/static/admin/css/base.css")


@pytest.mark.parametrize("address", PAGES)
def test_every_answer_has_the_security_headers(client: Client, address: str) -> None:
    with closing(client.get(address)) as response:
        headers = response.headers

    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers.get("X-Frame-Options") == "DENY" or address.startswith("/static/")
    assert "camera=()" in headers["Permissions-Policy"]


def test_no_template_has_an_inline_style_or_script() -> None:
    """They would have no effect: the policy forbids them."""
    inline = re.compile(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", re.IGNORECASE)
    templates = [*ROOT.glob("webapp/**/*.html")]

    assert len(templates) > 5
    assert [path for path in templates if inline.search(Path(path).read_text())] == []


FORGED = ["abc", "\0", "10" * 30, "", "1.5", "١" * 5000]


@pytest.mark.parametrize("key", FORGED)
@pytest.mark.parametrize("model", ["auth_user", "auth_group", "crawls_crawlschedule"])
def test_a_forged_selection_is_a_bad_request(admin_client: Client, model: str, key: str) -> None:
    schedule, group = make_schedule(), Group.objects.create(name="readers")
    action = "disable" if model == "crawls_crawlschedule" else "delete_selected"
    chosen: dict[str, Any] = {"action": action, "_selected_action": [schedule.pk, group.pk, key]}

    response = admin_client.post(reverse(f"admin:{model}_changelist"), chosen)

    schedule.refresh_from_db()
    assert response.status_code == 400
    assert schedule.enabled
    assert Group.objects.filter(pk=group.pk).exists()


@pytest.mark.parametrize("data", [{}, {"action": "nonsense"}, {"action": "delete_selected", "index": "9" * 30}])
def test_an_action_that_does_not_exist_does_nothing(admin_client: Client, data: dict[str, str]) -> None:
    schedule = make_schedule()

    response = admin_client.post(
        reverse("admin:crawls_crawlschedule_changelist"), data | {"_selected_action": schedule.pk}
    )

    assert response.status_code in {200, 302}
    schedule.refresh_from_db()
    assert schedule.enabled


@pytest.mark.parametrize("page", ["change", "delete"])
@pytest.mark.parametrize(
    "model",
    [
        "auth_user",
        "auth_group",
        "coins_fullcoin",
        "crawls_crawlrun",
        "crawls_crawlschedule",
        "crawls_node",
        "crawls_rejectedrecord",
    ],
)
def test_an_address_may_name_an_empty_field(admin_client: Client, model: str, page: str) -> None:
    """Django looks for a field without a name."""
    address = reverse(f"admin:{model}_{page}", args=["0"])  # there is no such row

    assert admin_client.get(f"{address}?_to_field=").status_code in {302, 403}


def test_a_form_without_its_token_is_answered_with_what_to_do() -> None:
    response = Client(enforce_csrf_checks=True).post(reverse("admin:login"), {"username": "ada"})

    assert response.status_code == 403
    assert "load the page again" in response.content.decode()
    assert b"<style" not in response.content  # as in Django's own, which the policy forbids
