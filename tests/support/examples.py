"""hypothesis with a database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from hypothesis import HealthCheck, settings

# A database that is made once for all examples is what we want: each example rolls back what it did.
examples = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undoes what an example has done to the database."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
