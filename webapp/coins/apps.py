from django.apps import AppConfig
from django.db.backends.signals import connection_created

from webapp.coins.sums import add_sum


class CoinsConfig(AppConfig):
    name = "webapp.coins"
    verbose_name = "Crawled data"

    def ready(self) -> None:
        connection_created.connect(add_sum)
