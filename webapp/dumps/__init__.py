"""What `dumpdata` writes as JSON: moments to the microsecond (Django: to the millisecond), and ASCII alone.

Half a character, which SQLite may hold in a run's arguments, is no UTF-8; and a line of JSON Lines is one for whoever
ends lines at U+2028, too.
"""

from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder


class ExactEncoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


class ExactMixin:
    """For a serializer of Django's that writes JSON."""

    json_kwargs: dict[str, Any]

    def _init_options(self) -> None:
        super()._init_options()  # type: ignore[misc]  # the serializer's own
        self.json_kwargs |= {"cls": ExactEncoder, "ensure_ascii": True}
