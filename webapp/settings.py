"""Django's settings. The environment (and `.env`) is read here and in coincrawl/settings.py, nowhere else.

Every variable is described in `.env.example`; a secret NAME may also come from the file that NAME_FILE names.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"  # what a machine makes for itself: databases, the development key; never in git
VAR_DIR.mkdir(exist_ok=True)

env = environ.FileAwareEnv()
env.read_env(env.str("ENV_FILE", default=str(BASE_DIR / ".env")))


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
ALLOWED_HOSTS = env.list("DJANGO_ALLOWED_HOSTS", default=LOOPBACK)
DEBUG = env.bool("DJANGO_DEBUG", default=False)
SECRET_KEY = env.str("DJANGO_SECRET_KEY", default="").strip()
if not SECRET_KEY and not set(ALLOWED_HOSTS) <= set(LOOPBACK):
    raise SystemExit("DJANGO_SECRET_KEY must be set where DJANGO_ALLOWED_HOSTS names more than this machine.")
SECRET_KEY = SECRET_KEY or development_key()

# What it is made of ------------------------------------------------------------------------------
INSTALLED_APPS = [
    "webapp.coins",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
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

# Where it is kept --------------------------------------------------------------------------------
DEFAULT_DATABASE = VAR_DIR / "coincrawl.sqlite3"
DATABASE_URL = env.str("DATABASE_URL", default="") or f"sqlite:///{DEFAULT_DATABASE}"
if not DATABASE_URL.startswith(("sqlite:///", "postgres://", "postgresql://")):
    raise SystemExit("DATABASE_URL must be sqlite:///path/to/file or postgres://user:password@host:5432/name.")
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # A relative path counts from the project, so that every command means the same file from any folder.
    _database["NAME"] = BASE_DIR / _database["NAME"]
    _database["OPTIONS"] = {
        "timeout": 20,  # seconds to wait for another writer
        "transaction_mode": "IMMEDIATE",  # a read that turns into a write cannot fail half-way
        # Readers do not wait for the writer, and a commit costs no fsync; a power cut may undo the last commits.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _database.setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)  # seconds; the default is minutes

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

# Static files: the admin's, served by the site itself, with nothing to collect beforehand ---------
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True

# The market's currency: one database holds one ----------------------------------------------------
VS_CURRENCY = env.str("VS_CURRENCY", default="").lower() or "usd"
