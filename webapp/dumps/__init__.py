"""`dumpdata` as JSON with dates to the microsecond (Django's are to the millisecond), in ASCII only.

A lone surrogate, which SQLite may hold in a run's arguments, has no UTF-8. Some programs end lines at U+2028, which
would break JSON Lines.
"""

from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder


class ExactEncoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


class ExactMixin:
    """For Django's serializers that write JSON."""

    json_kwargs: dict[str, Any]

    def _init_options(self) -> None:
        super()._init_options()  # type: ignore[misc]  # the serializer's own
        self.json_kwargs |= {"cls": ExactEncoder, "ensure_ascii": True}
