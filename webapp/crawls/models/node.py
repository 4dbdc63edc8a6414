"""Node: a scrapyd that shares the queue."""

from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models.functions import Now


class NodeQuerySet(models.QuerySet["Node"]):
    def heartbeat(self, name: str, **facts: Any) -> None:
        """Show that the node is alive, and write these fields of its row."""
        self.update_or_create(name=name, defaults={"heartbeat_at": Now(), **facts})

    def forget_old(self) -> None:
        """Delete the nodes that have been gone for a week: each container has a name of its own."""
        self.filter(heartbeat_at__lt=Now() - timedelta(days=7)).delete()


class Node(models.Model):
    """A scrapyd that shares the queue. Each of them ticks: it turns due slots into jobs."""

    name = models.CharField(max_length=255, primary_key=True)
    heartbeat_at = models.DateTimeField(help_text="When it was last alive. It writes this every 15 seconds.")
    capacity = models.PositiveIntegerField(default=0, help_text="How many crawls it runs at a time.")

    objects = NodeQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
