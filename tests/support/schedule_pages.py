"""The admin's pages of schedules: their addresses, a form as a browser sends it, and people who may do what."""

from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from webapp.crawls.models import CrawlSchedule

SCHEDULES = reverse("admin:crawls_crawlschedule_changelist")
ADD = reverse("admin:crawls_crawlschedule_add")
NODES = reverse("admin:crawls_node_changelist")


def run_page(schedule: CrawlSchedule) -> str:
    return reverse("admin:crawls_crawlschedule_run", args=[schedule.pk])


def filled_in(**values: Any) -> dict[str, Any]:
    """The form as a browser sends it."""
    texts = {"name": "Hourly", "spider": "markets", "arguments": "pages=1", "crontab": "0 * * * *", "time_zone": "UTC"}
    return {**texts, "enabled": "on", "_save": "Save"} | values


def staff(client: Client, *permissions: str) -> Client:
    """A client of somebody in the admin who has these permissions, and no other."""
    user = User.objects.create_user("maria", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def told(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]
