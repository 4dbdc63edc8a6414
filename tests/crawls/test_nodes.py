"""Nodes and their heartbeat."""

import pytest

from tests.support.slots import MINUTE, NOON
from webapp.coins.clock import database_clock
from webapp.crawls.models import Node

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]


def test_a_node_shows_that_it_is_alive() -> None:
    Node.objects.heartbeat("here", capacity=4)
    Node.objects.update(heartbeat_at=NOON)

    Node.objects.heartbeat("here", capacity=8)

    node = Node.objects.get()
    assert (node.name, node.capacity) == ("here", 8)
    assert abs(node.heartbeat_at - database_clock()) < MINUTE
