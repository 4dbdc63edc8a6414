"""Django's settings in a crawl and in scrapyd: those of the site, without what only the site needs."""

from webapp.settings import *  # noqa: F403 - all but these

INSTALLED_APPS = ["webapp.coins", "webapp.crawls", "django.contrib.auth", "django.contrib.contenttypes"]
DEBUG = False  # Django would keep and format every query
LOGGING_CONFIG = None  # Django's lines go into the crawl's log; its own handlers send e-mails and pages of errors
