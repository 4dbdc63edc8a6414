"""`python -m tests.bench.bare`: what starting takes without coincrawl: Scrapy, and Django with our models."""

import django
import scrapy  # noqa: F401 - this is what it costs
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["webapp.coins", "webapp.crawls", "django.contrib.auth", "django.contrib.contenttypes"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
