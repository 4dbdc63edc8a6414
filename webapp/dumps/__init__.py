"""What `dumpdata` and `loaddata` write and read as JSON: moments to the microsecond (Django: to the millisecond)."""

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
        self.json_kwargs["cls"] = ExactEncoder
