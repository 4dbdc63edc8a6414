"""`manage.py rollup`: makes bars of prices, and deletes old ones. scrapyd does the same every five minutes."""

from typing import Any

from webapp.coins.prices import rollup
from webapp.crawls.migrated import MigratedCommand


class Command(MigratedCommand):
    help = (
        "Rolls prices up into bars of an hour and a day, and deletes what is older than PRICE_RAW_DAYS and "
        "PRICE_HOURLY_DAYS. scrapyd does this itself."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        rollup.roll_up()
        self.stdout.write("The bars of prices are up to date.")
