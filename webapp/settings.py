"""Django's settings, by topic. Every variable of the environment is described in `.env.example`."""

from math import ceil
from typing import Any

from csp.constants import NONE, SELF

from webapp.crawls.addresses import is_source
from webapp.crawls.catalog import PLANS
from webapp.environment import BASE_DIR, development_key, env

# Hosts and the secret key -------------------------------------------------------------------------
LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = env.names(
    "DJANGO_ALLOWED_HOSTS",
    r"\.?[\w-]+(\.[\w-]+)*|\[[\da-f:.]+\]",
    "list the names that the site is reached by, without scheme and port, "
    "such as coins.example,10.0.0.5 (* would answer to any name, also to one that an attacker made up).",
    default=LOOPBACK,
)
# Other machines can reach it.
PRODUCTION = not set(ALLOWED_HOSTS) <= set(LOOPBACK)
DEBUG = env.bool("DJANGO_DEBUG", default=False)
if DEBUG and PRODUCTION:
    raise SystemExit(
        "DJANGO_DEBUG must be false where DJANGO_ALLOWED_HOSTS names more than this machine: "
        "its error pages show code and settings to everybody."
    )
SECRET_KEY = env.str("DJANGO_SECRET_KEY", default="")
# `manage.py check --deploy` warns of these keys as security.W009.
if PRODUCTION and (len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5 or SECRET_KEY.startswith("django-insecure-")):
    raise SystemExit(
        "DJANGO_SECRET_KEY must be set where DJANGO_ALLOWED_HOSTS names more than this machine, "
        'to at least 50 random characters, as python -c "import secrets; print(secrets.token_urlsafe(50))" prints them.'
    )
SECRET_KEY = SECRET_KEY or development_key()

# HTTPS --------------------------------------------------------------------------------------------
HTTPS = env.bool("DJANGO_HTTPS", default=PRODUCTION)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# Off by default: without a proxy that overwrites the header, clients can send any value.
BEHIND_PROXY = env.bool("DJANGO_BEHIND_TLS_PROXY", default=False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# s; browsers keep to it whatever the site says later, so a mistake is over in an hour
SECURE_HSTS_SECONDS = env.int("DJANGO_HSTS_SECONDS", default=3600) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("DJANGO_HSTS_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("DJANGO_HSTS_PRELOAD", default=False)

# What browsers may load --------------------------------------------------------------------------
# Pictures of coins in the admin, which the browser loads from the hosts that the source names.
ADMIN_PICTURES = env.bool("ADMIN_PICTURES", default=True)
# No inline style or script, and nothing from other hosts but pictures.
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", *(["https:"] if ADMIN_PICTURES else [])],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Apps and middleware ------------------------------------------------------------------------------
INSTALLED_APPS = [
    "webapp",  # commands and templates of the whole site
    "webapp.coins",
    "webapp.crawls",
    "webapp.api",
    "webapp.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
]
MIDDLEWARE = [
    "webapp.head.without_body",
    "webapp.probes.ProbesMiddleware",  # before the others: probes may reach this machine by any name
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "webapp.security_headers.add_headers",
    "webapp.nul.reject_nul",
    "webapp.static_files.StaticFilesMiddleware",
    "webapp.unavailable.note_writes",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "webapp.urls"
_context = ["django.template.context_processors.request"]
_context += [f"django.contrib.{app}.context_processors.{app}" for app in ("auth", "messages")]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": _context},
    }
]

# A message shows a new token. Django's default, a cookie, would show it to everybody who sees the cookie.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Errors and the log -------------------------------------------------------------------------------
DEFAULT_EXCEPTION_REPORTER_FILTER = "webapp.error_pages.WithoutSecrets"
# Without DEBUG, Django does not log why a response failed. /readyz's 503 has no exception and is not logged.
# Nothing is sent by e-mail, because there are no ADMINS: alarms are `manage.py watch`'s task.
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
        },
        "stderr lines": {"class": "logging.StreamHandler", "level": "ERROR", "formatter": "dated"},
    },
    "loggers": {"django.request": {"handlers": ["stderr"]}, "webapp.unavailable": {"handlers": ["stderr lines"]}},
}

# Database -----------------------------------------------------------------------------------------
DEFAULT_DATABASE = BASE_DIR / "var" / "coincrawl.sqlite3"
DATABASE_URL = env.str("DATABASE_URL", default=f"sqlite:///{DEFAULT_DATABASE}")
DATABASES = {"default": env.database(DATABASE_URL, password=env.str("DATABASE_PASSWORD", default=""))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SERIALIZATION_MODULES = {"json": "webapp.dumps.json", "jsonl": "webapp.dumps.jsonl"}

# Language, time, passwords ------------------------------------------------------------------------
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "webapp.formats"
TIME_ZONE = "UTC"  # another one would also shift the times in Scrapy's log

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}Validator"}
    for name in ("UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword")
]

# Runs and the age of the data ---------------------------------------------------------------------
# Days that finished runs are kept; 0 keeps them for ever.
RUN_HISTORY_DAYS = env.int("RUN_HISTORY_DAYS", default=365)
# Days that rejected records are kept which are resolved or ignored, and do not come any more; 0: as long as their run.
REJECTED_HISTORY_DAYS = env.int("REJECTED_HISTORY_DAYS", default=30)

# /readyz fails when the last complete run of a whole source ended more hours ago than this; 0 allows any age.
DATA_MAX_AGE_HOURS = env.int("DATA_MAX_AGE_HOURS", default=0)
# A source stands still when its newest data is more hours old than this at the end of a run; 0 allows any age.
SOURCE_MAX_AGE_HOURS = env.number("SOURCE_MAX_AGE_HOURS", 1)

# Prices over time ---------------------------------------------------------------------------------
PRICE_HISTORY = env.bool("PRICE_HISTORY", default=True)
# Days that observations are kept, and then bars of an hour; 0 keeps them for ever. Bars of a day are kept for ever.
PRICE_RAW_DAYS = env.int("PRICE_RAW_DAYS", default=2)
PRICE_HOURLY_DAYS = env.int("PRICE_HOURLY_DAYS", default=90)
# Where `manage.py archive` writes to. Observations are only deleted if they are there.
ARCHIVE_URL = env.storage("ARCHIVE_URL")

# Ports of `make up`, on this machine --------------------------------------------------------------
PORT = env.port("PORT", 8000)
SCRAPYD_HTTP_PORT = env.port("SCRAPYD_HTTP_PORT", 6800)

# Alarms -------------------------------------------------------------------------------------------
ALARM_WEBHOOK_URL = env.web_address("ALARM_WEBHOOK_URL")
ALARM_PING_URL = env.web_address("ALARM_PING_URL")
ALARM_EMAILS = env.names(
    "ALARM_EMAILS",
    r"[^\s@,<>]+@[^\s@,<>]+",
    "be e-mail addresses with commas between them, such as ada@coins.example.",
)
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=False)
EMAIL_USE_SSL = env.bool("EMAIL_USE_SSL", default=False)
if EMAIL_USE_TLS and EMAIL_USE_SSL:
    raise SystemExit("EMAIL_USE_TLS (on port 587, say) and EMAIL_USE_SSL (on port 465, say) exclude each other.")
EMAIL_HOST = env.str("EMAIL_HOST", default="localhost")
EMAIL_PORT = env.port("EMAIL_PORT", 465 if EMAIL_USE_SSL else 587 if EMAIL_USE_TLS else 25)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_TIMEOUT = 10  # s; the default waits for ever for a server that does not answer
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="coincrawl@localhost")

# The read API -------------------------------------------------------------------------------------
API_PUBLIC = env.bool("API_PUBLIC", default=False)
API_CALLS_PER_MINUTE = env.int("API_CALLS_PER_MINUTE", default=300)
REST_FRAMEWORK: dict[str, Any] = {
    # The first one answers 401 to a request without credentials, and names the schemes in WWW-Authenticate.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "webapp.api.authentication.BearerAuthentication",
        "webapp.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [f"rest_framework.permissions.{'AllowAny' if API_PUBLIC else 'IsAuthenticated'}"],
    # Each process counts in its own memory: n workers let n times as many calls through.
    "DEFAULT_THROTTLE_CLASSES": [f"rest_framework.throttling.{who}RateThrottle" for who in ("Anon", "User")],
    "DEFAULT_THROTTLE_RATES": {
        "user": f"{API_CALLS_PER_MINUTE}/minute" if API_CALLS_PER_MINUTE else None,
        "anon": f"{max(1, API_CALLS_PER_MINUTE // 5)}/minute" if API_CALLS_PER_MINUTE else None,
    },
    # Behind a proxy the client is the last address in X-Forwarded-For. Without one, anybody can send that header.
    "NUM_PROXIES": 1 if BEHIND_PROXY else 0,
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "webapp.api.negotiation.ContentNegotiation",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],  # clients send no body
    "URL_FORMAT_OVERRIDE": None,  # `format` is an unknown parameter like any other
    "UNICODE_JSON": False,  # a run's arguments on SQLite may hold a lone surrogate, which UTF-8 cannot encode
    "DEFAULT_SCHEMA_CLASS": "webapp.api.schema.Schema",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "coincrawl",
    "VERSION": "1",
    "DESCRIPTION": (
        "An exact, complete and fresh copy of the coin market. The API is read-only.\n\n"
        "Send `Authorization: Bearer ...` with a token. Amounts and percentages are strings with every digit that is "
        "stored. Dates and times are UTC. A value that the market does not have is null. Responses have an ETag. "
        "With the ETag in `If-None-Match`, an unchanged response is an empty 304. With it in `If-Match`, a changed "
        "one is 412."
    ),
    "SCHEMA_PATH_PREFIX": "/api/",
    "SORT_OPERATION_PARAMETERS": False,  # they stay in the order of their declaration
    "PATH_CONVERTER_OVERRIDES": {"any": {"type": "string", "minLength": 1, "maxLength": 255}},
    # Client generators know Bearer, not Token.
    "AUTHENTICATION_WHITELIST": [
        "webapp.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "SERVE_AUTHENTICATION": [],  # the page is public
    "ENUM_NAME_OVERRIDES": {"Verdict": "webapp.crawls.models.run.VERDICTS"},  # one type for runs and for the parameter
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,  # the values say it themselves
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # A validator would send out the schema's address.
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
}

# Static files, served by the site itself without collectstatic ------------------------------------
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True

# Sources ------------------------------------------------------------------------------------------
# The plan sets the pace, and the admin shows what schedules cost. Only the crawler reads the key itself.
COINGECKO_PLAN = env.str("COINGECKO_PLAN", default="") or ("demo" if env.one_word("COINGECKO_API_KEY") else "keyless")
if COINGECKO_PLAN not in PLANS:
    raise SystemExit(f"COINGECKO_PLAN={COINGECKO_PLAN} is not a plan. Plans: {', '.join(PLANS)}.")
# A run that would exceed these credits a month is skipped. 0 means no limit.
COINGECKO_MONTHLY_CREDITS = ceil(env.number("COINGECKO_MONTHLY_CREDITS", PLANS[COINGECKO_PLAN].credits_per_month or 0))

# Hosts besides this machine that may be called without TLS, such as another container.
_rule = "be host names with commas between them, without scheme and port."
_hosts = env.names("PLAIN_HTTP_HOSTS", r"[\w-]+(\.[\w-]+)*|[\da-f:]+", _rule)
PLAIN_HTTP_HOSTS = [host.lower() for host in _hosts]


def base_api_url() -> str:
    """The address of CoinGecko's API. Only the crawler needs it."""
    url: str = (env.str("BASE_API_URL", default="") or PLANS[COINGECKO_PLAN].url).rstrip("/")
    if "?" in url or not is_source(url, PLAIN_HTTP_HOSTS):
        raise SystemExit(
            "BASE_API_URL must be https://host/path or https://host:port/path, without user, password and query "
            "(http:// for this machine and PLAIN_HTTP_HOSTS only): a key belongs in COINGECKO_API_KEY. "
            "Without BASE_API_URL, the address is that of COINGECKO_PLAN."
        )
    return url


base_api_url()  # so that `make up` ends before it starts anything, and not when scrapyd begins

# The source that `scrapy crawl mirror` copies by default
MIRROR_URL = env.str("MIRROR_URL", default="")
if MIRROR_URL and not is_source(MIRROR_URL, PLAIN_HTTP_HOSTS):
    raise SystemExit(
        "MIRROR_URL must be the address of a list of coins, such as https://coins.example/api/coins/, without user, "
        "password and key (http:// for this machine and PLAIN_HTTP_HOSTS only): a token belongs in API_TOKEN."
    )
# Whether there is a token for it. Only the crawler reads the token; the queue takes no job that needs a missing one.
API_TOKEN = bool(env.one_word("API_TOKEN"))

# The currency of the prices. A database holds one.
VS_CURRENCY = env.matching(
    "VS_CURRENCY", "[a-z0-9-]{1,20}", "be a currency that the API knows, such as usd, eur or btc.", default="usd"
).lower()
