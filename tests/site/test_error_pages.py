"""The site's error page under DJANGO_DEBUG, as a development server makes it: it has no secrets."""

import pytest

from tests.support.processes import python

# A server hands on the environment with each request, as `manage.py runserver` does.
ASK = """
import io, sys
from wsgiref.handlers import SimpleHandler
from webapp.wsgi import application
environ = {
    "REQUEST_METHOD": "GET", "PATH_INFO": "/api/health/", "QUERY_STRING": "", "SERVER_NAME": "localhost",
    "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost", "HTTP_ACCEPT": sys.argv[1],
    "HTTP_AUTHORIZATION": "Token hunter2", "HTTP_COOKIE": "sessionid=hunter2", "HTTP_X_OWN": "of the request",
}
page = io.BytesIO()
SimpleHandler(io.BytesIO(), page, sys.stderr, environ).run(application)
print(page.getvalue().decode())
"""
SECRETS = {
    "DATABASE_URL": "postgres://ada:hunter2%24@127.0.0.1:9/coins?sslpassword=hunter2",
    "ALARM_WEBHOOK_URL": "https://hooks.example/hunter2",
    "ALARM_PING_URL": "https://ping.example/hunter2",
    "DJANGO_SECRET_KEY": "hunter2",
    "EMAIL_HOST_PASSWORD": "hunter2",
    "COINGECKO_API_KEY": "CG-hunter2",
    "API_TOKEN": "hunter2",
    "https_proxy": "http://ada:hunter2@proxy.example",
    "HTTP_PROXY": "http://ada:hunter2@proxy.example",
    "OF_ANOTHER_PROGRAM": "hunter2",
}


@pytest.mark.parametrize(
    ("accept", "shown"),
    [
        ("text/html, application/json", "webapp.api.views.Health object"),  # a variable of our own code
        ("application/json", "webapp/api/views.py"),
    ],
    ids=["HTML", "text"],
)
def test_an_error_page_shows_code_and_settings_and_no_secret(accept: str, shown: str) -> None:
    """The database is away: its driver has the password in its variables."""
    done = python(["-c", ASK, accept], SECRETS | {"DJANGO_DEBUG": "true", "API_PUBLIC": "true"})

    assert done.stdout.startswith("HTTP/1.0 500 ")
    assert "hunter2" not in done.stdout
    for words in ("OperationalError", "INSTALLED_APPS", "DATABASE_URL", "of the request", shown):
        assert words in done.stdout
