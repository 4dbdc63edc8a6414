"""When each field of a coin last changed. `webapp.crawls.changed_by` finds the runs that changed them."""

from datetime import datetime

from webapp.coins.models import FullCoin
from webapp.coins.stamps import Stamps


def changes_of(coin: FullCoin) -> dict[str, datetime | None]:
    """By field of the API except the key, in the model's order: the `changed_at` of its last change.

    Rounded down to the millisecond. None if it is not known, because the field has not changed since this was first
    recorded, or since the model's fields were last changed. A field that has had one value only has the date of the
    coin's first one.
    """
    return Stamps([field.name for field in FullCoin.stamped_fields()]).read(coin.field_changes)
