from django.apps import AppConfig


class CoinsConfig(AppConfig):
    name = "webapp.coins"
    verbose_name = "Crawled data"
