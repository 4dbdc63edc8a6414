"""Django's settings. The environment (and `.env`) is read here and in coincrawl/settings.py, nowhere else.

Every variable is described in `.env.example`; a secret NAME may also come from the file that NAME_FILE names.
What cannot be is one sentence and exit status 1. It never repeats a value: that may be a secret, or hold one.
"""

import io
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import environ

from webapp.crawls.addresses import is_source
from webapp.crawls.catalog import PLANS


@contextmanager
def explained(sentence: str) -> Iterator[None]:
    """What goes wrong with a file ends the program with this sentence and the reason."""
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SystemExit(f"{sentence} ({reason}).") from None


class Environment(environ.FileAwareEnv):
    """django-environ, with three differences: it explains itself, empty is not set, and a `$` is just a character."""

    def get_value(self, var: str, cast: Any = None, default: Any = None, parse_default: bool = False) -> Any:
        with explained(f"{var}_FILE must name a file that holds {var}, and the one it names cannot be read"):
            text = self.ENVIRON.get(var, "").strip()
        if not text and default is self.NOTSET:
            raise SystemExit(f"{var} must be set.")
        if not text:
            return default
        if cast is bool and text.lower() not in (*self.BOOLEAN_TRUE_STRINGS, "false", "off", "n", "no", "0"):
            raise SystemExit(f"{var} must be true or false.")
        if cast is int and not text.isdecimal():
            raise SystemExit(f"{var} must be a whole number from 0 up.")
        return self.parse_value(text, cast)

    def number(self, name: str, default: float) -> float:
        """A variable that is a number from 0 up; empty counts as not set."""
        text = self.str(name, default="")
        if not re.fullmatch(r"(\d+\.?\d*|\.\d+)?", text, re.ASCII):
            raise SystemExit(f"{name}={text} is not a number from 0 up.")
        return float(text) if text else default

    def web_address(self, name: str) -> str:
        """A variable that is an address to ask, and a secret: it holds who may."""
        text = self.str(name, default="")
        if text and not re.fullmatch(
            r"https?://([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?([/?][!-~]*)?", text, re.ASCII | re.I
        ):
            raise SystemExit(f"{name} must be http://host/path or https://host/path, without user and password.")
        return text

    def read_file(self, path: Path) -> None:
        """Take from a file what the process's own environment does not say."""
        given = set(os.environ)
        lines = path.read_text("utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if line.strip() and not re.match(r"\s*#|(export )?\w+=", line, re.ASCII):
                raise SystemExit(f"Line {number} of {path} must be NAME=value, or begin with # as a comment does.")
        self.read_env(io.StringIO("\n".join(lines)))
        for name in given:  # a NAME of the process's has precedence over a NAME_FILE of the file's too
            if f"{name}_FILE" not in given:
                os.environ.pop(f"{name}_FILE", None)


BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"  # what a machine makes for itself: databases, the development key; never in git
with explained(f"{VAR_DIR} must be a folder, and cannot be made"):
    VAR_DIR.mkdir(exist_ok=True)

env = Environment()
_named = env.str("ENV_FILE", default="")
env_file = Path(_named or BASE_DIR / ".env")
if _named or env_file.exists():
    with explained(f"{env_file} cannot be read: mend that, or name another file in ENV_FILE"):
        env.read_file(env_file)


def development_key() -> str:
    """A key of this machine's own, made at first use: sessions outlive a restart and no key stands in the code."""
    path = VAR_DIR / "secret_key"
    if not path.exists():
        draft = VAR_DIR / f"secret_key.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50))
        with suppress(FileExistsError):  # another process was faster: its key is everybody's
            os.link(draft, path)
        draft.unlink()
    return path.read_text()


# Who may ask -------------------------------------------------------------------------------------
LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = [name.strip() for name in env.list("DJANGO_ALLOWED_HOSTS", default=LOOPBACK)]
if not all(re.fullmatch(r"\.?[\w-]+(\.[\w-]+)*|\[[\da-f:.]+\]", name, re.ASCII | re.I) for name in ALLOWED_HOSTS):
    raise SystemExit(
        "DJANGO_ALLOWED_HOSTS must list the names that the site is reached by, without scheme and port, "
        "such as coins.example,10.0.0.5 (* would answer to any name, also to one that an attacker made up)."
    )
# Anybody but this machine may ask.
PRODUCTION = not set(ALLOWED_HOSTS) <= set(LOOPBACK)
DEBUG = env.bool("DJANGO_DEBUG", default=False)
if DEBUG and PRODUCTION:
    raise SystemExit(
        "DJANGO_DEBUG must be false where DJANGO_ALLOWED_HOSTS names more than this machine: "
        "its error pages show code and settings to whoever asks."
    )
SECRET_KEY = env.str("DJANGO_SECRET_KEY", default="")
# What `manage.py check --deploy` warns of as security.W009.
if PRODUCTION and (len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5 or SECRET_KEY.startswith("django-insecure-")):
    raise SystemExit(
        "DJANGO_SECRET_KEY must be set where DJANGO_ALLOWED_HOSTS names more than this machine, "
        'to at least 50 random characters, as python -c "import secrets; print(secrets.token_urlsafe(50))" prints them.'
    )
if not SECRET_KEY:
    with explained("DJANGO_SECRET_KEY must be set, because this machine's own cannot be kept in var/secret_key"):
        SECRET_KEY = development_key()

# How it is reached -------------------------------------------------------------------------------
HTTPS = env.bool("DJANGO_HTTPS", default=PRODUCTION)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# Only when asked for: without a proxy that overwrites it, the header says what the client likes.
BEHIND_PROXY = env.bool("DJANGO_BEHIND_TLS_PROXY", default=False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# s; browsers hold to it whatever the site says later, so that a mistake should be over in an hour
SECURE_HSTS_SECONDS = env.int("DJANGO_HSTS_SECONDS", default=3600) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("DJANGO_HSTS_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("DJANGO_HSTS_PRELOAD", default=False)

# What it is made of ------------------------------------------------------------------------------
INSTALLED_APPS = [
    "webapp.apps.SiteConfig",
    "webapp.coins",
    "webapp.crawls",
    "webapp.api",
    "webapp.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "webapp.probes.ProbesMiddleware",  # the first: whoever asks them may know this machine by any name
    "django.middleware.security.SecurityMiddleware",
    "webapp.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "webapp.urls"
WSGI_APPLICATION = "webapp.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

SESSION_ENGINE = "webapp.sessions"
# A new token is told in one, and the cookie that Django prefers can be read by whoever sees it.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# What it says --------------------------------------------------------------------------------------
DEFAULT_EXCEPTION_REPORTER_FILTER = "webapp.error_pages.WithoutSecrets"
# Without DEBUG Django keeps to itself why an answer failed. A 503 of /readyz did not: there no exception is behind it.
# Nothing of it goes by e-mail, for there are no ADMINS: who is told what is `manage.py watch`'s to say.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "no debug": {"()": "django.utils.log.RequireDebugFalse"},
        "exceptions": {"()": "django.utils.log.CallbackFilter", "callback": lambda record: bool(record.exc_info)},
    },
    "formatters": {"dated": {"format": "%(asctime)s [%(name)s] %(levelname)s: %(message)s"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "level": "ERROR",
            "filters": ["no debug", "exceptions"],
            "formatter": "dated",
        }
    },
    "loggers": {"django.request": {"handlers": ["stderr"]}},
}

# Where it is kept --------------------------------------------------------------------------------
DEFAULT_DATABASE = VAR_DIR / "coincrawl.sqlite3"
DATABASE_URL = env.str("DATABASE_URL", default=f"sqlite:///{DEFAULT_DATABASE}")
_database: dict[str, Any] = {"NAME": ""}
if DATABASE_URL.startswith(("sqlite:///", "postgres://", "postgresql://")):
    with suppress(ValueError):  # a port that is no number, say
        _database = env.db_url_config(DATABASE_URL)
if _password := env.str("DATABASE_PASSWORD", default=""):
    _database["PASSWORD"] = _password
_options = _database.get("OPTIONS", {})
if (
    not (_database["NAME"] or "service" in _options)
    or _database["NAME"] == ":memory:"  # another process would see nothing of it
    or re.match(r"postgres\w*://[^/?]*/[^?]*@", DATABASE_URL)  # half a password as the name: it has a / itself
):
    raise SystemExit(
        "DATABASE_URL must be sqlite:///path/to/file or postgres://user:password@host:5432/name, "
        "where what is special in a URL is percent-encoded, as a / in the password is %2F."
    )
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # A relative path counts from the project, so that every command means the same file from any folder.
    _database["NAME"] = BASE_DIR / _database["NAME"]
    if not os.path.isdir(_database["NAME"].parent):
        raise SystemExit("DATABASE_URL must name a file in a folder that exists: make the folder, or name another.")
    _defaults = {
        "timeout": 20,  # seconds to wait for another writer
        "transaction_mode": "IMMEDIATE",  # a read that turns into a write cannot fail half-way
        # Readers do not wait for the writer, and a commit costs no fsync; a power cut may undo the last commits.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _database["HOST"] = unquote(_database["HOST"])  # a socket's folder, as libpq takes it: %2Fvar%2Frun%2Fpostgresql
    # A cursor of the server's would outlive its transaction, and PgBouncer may give its session to somebody else then.
    _database["DISABLE_SERVER_SIDE_CURSORS"] = True
    # psycopg reads no other format of moments. PgBouncer passes this on, unlike `options`.
    os.environ.setdefault("PGDATESTYLE", "ISO")
    # A server that vanished is noticed in about ten seconds; the system's own patience is minutes, even hours.
    _defaults = {
        "connect_timeout": 5,  # s
        "tcp_user_timeout": 10_000,  # ms that what was sent may go without an answer
        "keepalives_idle": 4,  # s of silence until the first question, with two more to follow: 4 + 3 × 2
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "options": " ".join(
            [
                # ms; a process that hangs between two statements would keep what it has locked from everybody for ever
                "-c idle_in_transaction_session_timeout=60000",
                "-c intervalstyle=postgres",  # nor of durations, and a database or a role may prefer another
                _options.pop("options", ""),
            ]
        ).strip(),
    }
DATABASES = {"default": _database | {"OPTIONS": _defaults | _options}}  # the URL's own ?option=... has precedence
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SERIALIZATION_MODULES = {"json": "webapp.dumps.json", "jsonl": "webapp.dumps.jsonl"}

# Language and time -------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"  # anything else would also shift the times in Scrapy's log
USE_TZ = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Days that runs are kept for; 0: for ever. What is asked for later is kept anyway.
RUN_HISTORY_DAYS = env.int("RUN_HISTORY_DAYS", default=365)

# Hours since the last complete run of a whole source, after which the copy is not fresh for /readyz; 0 for any.
DATA_MAX_AGE_HOURS = env.int("DATA_MAX_AGE_HOURS", default=0)
# Hours that a source's newest data may be old when a run of it ends, before it counts as standing still; 0 for any.
SOURCE_MAX_AGE_HOURS = env.number("SOURCE_MAX_AGE_HOURS", 1)

# Where `make up` listens, on this machine ------------------------------------------------------------
PORT = env.int("PORT", default=8000)
SCRAPYD_HTTP_PORT = env.int("SCRAPYD_HTTP_PORT", default=6800)

# Who is told when it is ill ----------------------------------------------------------------------
ALARM_WEBHOOK_URL = env.web_address("ALARM_WEBHOOK_URL")
ALARM_PING_URL = env.web_address("ALARM_PING_URL")
ALARM_EMAILS = [address.strip() for address in env.list("ALARM_EMAILS", default=[])]
if not all(re.fullmatch(r"[^\s@,<>]+@[^\s@,<>]+", address) for address in ALARM_EMAILS):
    raise SystemExit("ALARM_EMAILS must be e-mail addresses with commas between them, such as ada@coins.example.")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=False)
EMAIL_USE_SSL = env.bool("EMAIL_USE_SSL", default=False)
if EMAIL_USE_TLS and EMAIL_USE_SSL:
    raise SystemExit("EMAIL_USE_TLS (on port 587, say) and EMAIL_USE_SSL (on port 465, say) exclude each other.")
EMAIL_HOST = env.str("EMAIL_HOST", default="localhost")
EMAIL_PORT = env.int("EMAIL_PORT", default=465 if EMAIL_USE_SSL else 587 if EMAIL_USE_TLS else 25)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_TIMEOUT = 10  # s; without it a server that is silent would hold for ever who waits
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="coincrawl@localhost")

# The read API --------------------------------------------------------------------------------------
API_PUBLIC = env.bool("API_PUBLIC", default=False)
API_CALLS_PER_MINUTE = env.int("API_CALLS_PER_MINUTE", default=300)
REST_FRAMEWORK: dict[str, Any] = {
    # The first says how to authenticate: it makes a refusal 401, and says in WWW-Authenticate which words are taken.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "webapp.api.authentication.BearerAuthentication",
        "webapp.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [f"rest_framework.permissions.{'AllowAny' if API_PUBLIC else 'IsAuthenticated'}"],
    # Each process counts for itself, in its own memory: n workers let n times as much through.
    "DEFAULT_THROTTLE_CLASSES": [f"rest_framework.throttling.{who}RateThrottle" for who in ("Anon", "User")],
    "DEFAULT_THROTTLE_RATES": {
        "user": f"{API_CALLS_PER_MINUTE}/minute" if API_CALLS_PER_MINUTE else None,
        "anon": f"{max(1, API_CALLS_PER_MINUTE // 5)}/minute" if API_CALLS_PER_MINUTE else None,
    },
    # Whose address counts: the last one in X-Forwarded-For, where a proxy writes it; anybody can send the header.
    "NUM_PROXIES": 1 if BEHIND_PROXY else 0,
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "webapp.api.negotiation.ContentNegotiation",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],  # nothing is sent here
    "URL_FORMAT_OVERRIDE": None,  # `format` is as unknown in a query string as any other name
    "UNICODE_JSON": False,  # SQLite may hold half a character in a run's arguments, which is no UTF-8
    "DEFAULT_SCHEMA_CLASS": "webapp.api.schema.Schema",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "coincrawl",
    "VERSION": "1",
    "DESCRIPTION": (
        "An exact, complete and fresh copy of the coin market, to be read.\n\n"
        "Send `Authorization: Bearer ...` with a token. Amounts and percentages are texts with every digit that is "
        "stored; dates and times are UTC; null is what the market has no value for. An answer has an ETag: with it in "
        "`If-None-Match`, what has not changed is 304 and empty; with it in `If-Match`, what has changed is 412."
    ),
    "SCHEMA_PATH_PREFIX": "/api/",
    "SORT_OPERATION_PARAMETERS": False,  # the order of declaration has a reason
    "PATH_CONVERTER_OVERRIDES": {"any": {"type": "string", "minLength": 1, "maxLength": 255}},
    # Of the two words for a token the one that client generators know.
    "AUTHENTICATION_WHITELIST": [
        "webapp.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "SERVE_AUTHENTICATION": [],  # a page for everybody needs to know nobody
    "ENUM_NAME_OVERRIDES": {"Verdict": "webapp.crawls.models.Verdict"},  # the same for runs and for the parameter
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,  # the values say as much
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},  # it would show the schema's address to others
}

# Static files: the admin's, served by the site itself, with nothing to collect beforehand ---------
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True

# What the source takes, by its plan: the crawler keeps to it, and the admin says what schedules cost -----
# Which plan it is follows from the key, which is the crawler's alone.
COINGECKO_PLAN = env.str("COINGECKO_PLAN", default="") or (
    "demo" if env.str("COINGECKO_API_KEY", default="") else "keyless"
)
if COINGECKO_PLAN not in PLANS:
    raise SystemExit(f"COINGECKO_PLAN={COINGECKO_PLAN} is not a plan. Plans: {', '.join(PLANS)}.")
# Credits a month: a run that would exceed them is skipped. 0: there is no limit.
COINGECKO_MONTHLY_CREDITS = ceil(env.number("COINGECKO_MONTHLY_CREDITS", PLANS[COINGECKO_PLAN].credits_per_month or 0))

# Hosts besides this machine that may be asked without TLS: a container next door, say.
PLAIN_HTTP_HOSTS = [name.strip().lower() for name in env.list("PLAIN_HTTP_HOSTS", default=[])]
if not all(re.fullmatch(r"[\w-]+(\.[\w-]+)*|[\da-f:]+", name, re.ASCII) for name in PLAIN_HTTP_HOSTS):
    raise SystemExit("PLAIN_HTTP_HOSTS must be host names with commas between them, without scheme and port.")

# The source that `scrapy crawl mirror` copies where no argument names another
MIRROR_URL = env.str("MIRROR_URL", default="")
if MIRROR_URL and not is_source(MIRROR_URL, PLAIN_HTTP_HOSTS):
    raise SystemExit(
        "MIRROR_URL must be the address of a list of coins, such as https://coins.example/api/coins/, without user, "
        "password and key (http:// for this machine and PLAIN_HTTP_HOSTS only): a token belongs in API_TOKEN."
    )
# Whether there is a token for it: the token itself is the crawler's alone. No job is queued that lacks what it needs.
API_TOKEN = bool(env.str("API_TOKEN", default=""))

# The market's currency: one database holds one ----------------------------------------------------
VS_CURRENCY = env.str("VS_CURRENCY", default="usd").lower()
if not re.fullmatch(r"[a-z0-9-]{1,20}", VS_CURRENCY):
    raise SystemExit("VS_CURRENCY must be a currency that the API knows, such as usd, eur or btc.")
