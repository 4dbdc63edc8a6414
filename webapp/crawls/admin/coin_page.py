"""What a coin's page shows besides its values: when each changed and by which run, and its rejected records."""

from django.utils.html import format_html, format_html_join

from webapp.coins.admin.formats import address_of_list, ago, link, table
from webapp.coins.changes import changes_of
from webapp.coins.cleaning import LABEL_LENGTH
from webapp.coins.models import FullCoin
from webapp.coins.texts import printable
from webapp.crawls.changed_by import runs_storing_at
from webapp.crawls.models import RejectedRecord

RECORDS_SHOWN = 5


def changed_when(coin: FullCoin, name: str) -> str:
    """When a field last changed, and by which runs; empty if that is not known."""
    if "changes" not in vars(coin):
        moments = changes_of(coin)
        vars(coin)["changes"] = moments, runs_storing_at(moment for moment in moments.values() if moment)
    moments, runs = vars(coin)["changes"]
    moment = moments.get(name)
    if moment is None:
        return ""
    links = format_html_join(" or ", "{}", ((link(run, f"a run of {run.spider}"),) for run in runs[moment]))
    return format_html('<span class="changed">changed {}{}{}</span>', ago(moment), " by " if links else "", links)


def rejected_records(coin: FullCoin) -> str:
    """The latest rejected records of a coin, and a link to all of them."""
    label = printable(coin.pk, LABEL_LENGTH)
    records = RejectedRecord.objects.filter(coin_id=label).defer("raw").order_by("-last_seen_at")[:RECORDS_SHOWN]
    rows = [
        [link(record, record.reasons.partition("\n")[0]), record.get_status_display(), ago(record.last_seen_at)]
        for record in records
    ]
    if not rows:
        return "No record of this coin was rejected."
    address = address_of_list(RejectedRecord, q=label, status="All")
    shown = table(["Reason", "Status", "Last seen"], rows)
    return format_html('{}<a href="{}">All rejected records of this coin</a>', shown, address)
