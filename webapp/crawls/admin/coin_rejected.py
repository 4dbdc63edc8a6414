"""What a coin's page says of the coin's rejected records."""

from django.utils.html import format_html

from webapp.coins.admin.formats import address_of_list, ago, link, table
from webapp.coins.cleaning import LABEL_LENGTH
from webapp.coins.models import FullCoin
from webapp.coins.texts import printable
from webapp.crawls.models import RejectedRecord

RECORDS_SHOWN = 5


def rejected_records(coin: FullCoin) -> str:
    """The latest rejected records of a coin, and a link to all of them."""
    label = printable(coin.pk, LABEL_LENGTH)
    records = (
        RejectedRecord.objects.filter(coin_id=label).defer("raw", "values").order_by("-last_seen_at")[:RECORDS_SHOWN]
    )
    rows = [
        [link(record, record.reasons.partition("\n")[0]), record.get_status_display(), ago(record.last_seen_at)]
        for record in records
    ]
    if not rows:
        return "No record of this coin was rejected."
    address = address_of_list(RejectedRecord, q=label, status="All")
    shown = table(["Reason", "Status", "Last seen"], rows)
    return format_html('{}<a href="{}">All rejected records of this coin</a>', shown, address)
