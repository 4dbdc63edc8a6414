"""Reads the environment and `.env`. The settings and the spiders' secrets come from here.

Every variable is described in `.env.example`. A secret NAME may also come from the file that NAME_FILE names. An
invalid value ends the program with one sentence and exit status 1. A value that may hold a secret is never repeated.
"""

import io
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import environ

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"  # what this machine makes for itself: databases, the development key; not in git


@contextmanager
def explained(sentence: str) -> Iterator[None]:
    """An error with a file ends the program with this sentence and the reason."""
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SystemExit(f"{sentence} ({reason}).") from None


class Environment(environ.FileAwareEnv):
    """django-environ with three differences: it explains errors, empty means not set, and `$` has no meaning."""

    def get_value(self, var: str, cast: Any = None, default: Any = None, parse_default: bool = False) -> Any:
        with explained(f"{var}_FILE must name a file that holds {var}, and the one it names cannot be read"):
            text = self.ENVIRON.get(var, "").strip()
        if not text:
            return default
        if cast is bool and text.lower() not in (*self.BOOLEAN_TRUE_STRINGS, "false", "off", "n", "no", "0"):
            raise SystemExit(f"{var} must be true or false.")
        if cast is int and not text.isdecimal():
            raise SystemExit(f"{var} must be a whole number from 0 up.")
        return self.parse_value(text, cast)

    def port(self, name: str, default: int) -> int:
        text: str = self.str(name, default=str(default))
        if not (text.isdecimal() and 0 < int(text) < 2**16):
            raise SystemExit(f"{name} must be a whole number from 1 to 65535.")
        return int(text)

    def number(self, name: str, default: float) -> float:
        text = self.str(name, default="")
        if not re.fullmatch(r"(\d+\.?\d*|\.\d+)?", text, re.ASCII):
            raise SystemExit(f"{name}={text} is not a number from 0 up.")
        return float(text) if text else default

    def matching(self, name: str, pattern: str, rule: str, default: str = "") -> str:
        """A text that matches the pattern; `rule` says in words what it must be."""
        text: str = self.str(name, default="")
        if text and not re.fullmatch(pattern, text, re.ASCII | re.IGNORECASE):
            raise SystemExit(f"{name} must {rule}")
        return text or default

    def names(self, name: str, pattern: str, rule: str, default: Sequence[str] = ()) -> list[str]:
        """Words with commas between them, each of which matches the pattern."""
        words = [word.strip() for word in self.list(name, default=list(default))]
        if not all(re.fullmatch(pattern, word, re.ASCII | re.IGNORECASE) for word in words):
            raise SystemExit(f"{name} must {rule}")
        return words

    def one_word(self, name: str) -> str:
        """A secret that is sent in a header."""
        rule = "be one word of ASCII: there are spaces, line breaks or other characters in it."
        return self.matching(name, "[!-~]+", rule)

    def web_address(self, name: str) -> str:
        """An address to call. It is a secret, because it says who may call."""
        pattern = r"https?://([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?([/?][!-~]*)?"
        return self.matching(name, pattern, "be http://host/path or https://host/path, without user and password.")

    def storage(self, name: str) -> str:
        """A folder, or an address that fsspec knows. A relative folder is relative to the project."""
        rule = "be a folder, or an address such as s3://bucket/prices, without user, password and options."
        text = self.matching(name, r"(?!.*::)((?!//|[a-z][\w+.-]*:)[^*?\[\]]+|[a-z][\w+.-]*://[^@*?#&\[\]\s]+)", rule)
        return text if not text or "://" in text else str(BASE_DIR / text)

    def read_file(self, path: Path) -> None:
        """Add the variables of a file. The process's own variables have precedence."""
        given = set(os.environ)
        lines = path.read_text("utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if line.strip() and not re.match(r"\s*#|(export )?\w+=", line, re.ASCII):
                raise SystemExit(f"Line {number} of {path} must be NAME=value, or begin with # as a comment does.")
        self.read_env(io.StringIO("\n".join(lines)))
        for name in given:  # the process's NAME also has precedence over the file's NAME_FILE
            if f"{name}_FILE" not in given:
                os.environ.pop(f"{name}_FILE", None)

    def database(self, url: str, password: str) -> dict[str, Any]:
        """Django's settings for the database at `url`. The URL's own options have precedence over ours."""
        database: dict[str, Any] = {"NAME": ""}
        if url.startswith(("sqlite:///", "postgres://", "postgresql://")):
            with suppress(ValueError):  # such as a port that is not a number
                database = self.db_url_config(url)
        options = database.get("OPTIONS", {})
        if (
            not (database["NAME"] or "service" in options)
            or database["NAME"] == ":memory:"  # other processes cannot see it
            or re.match(r"postgres\w*://[^/?]*/[^?]*@", url)  # an unquoted / in the password: its rest became the name
        ):
            raise SystemExit(
                "DATABASE_URL must be sqlite:///path/to/file or postgres://user:password@host:5432/name, "
                "where what is special in a URL is percent-encoded, as a / in the password is %2F."
            )
        if password:
            database["PASSWORD"] = password
        ours = _sqlite(database) if database["ENGINE"].endswith("sqlite3") else _postgresql(database, options)
        return database | {"OPTIONS": ours | options}


def _sqlite(database: dict[str, Any]) -> dict[str, Any]:
    """Prepares the settings of a file, and returns our options for it."""
    # A relative path is relative to the project, so that commands in any folder use the same file.
    database["NAME"] = BASE_DIR / database["NAME"]
    if not os.path.isdir(database["NAME"].parent):
        raise SystemExit("DATABASE_URL must name a file in a folder that exists: make the folder, or name another.")
    return {
        "timeout": 20,  # s to wait for another writer
        "transaction_mode": "IMMEDIATE",  # a read that turns into a write cannot fail half-way
        # Readers do not wait for the writer, and a commit costs no fsync. A power cut may undo the last commits.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }


def _postgresql(database: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Prepares the settings of a server, and returns our options for it."""
    database["HOST"] = unquote(database["HOST"])  # a socket's folder, as libpq takes it: %2Fvar%2Frun%2Fpostgresql
    # A server-side cursor outlives its transaction, and PgBouncer may give its session to another client then.
    database["DISABLE_SERVER_SIDE_CURSORS"] = True
    # psycopg reads no other format of dates. PgBouncer passes this on, unlike `options`.
    os.environ.setdefault("PGDATESTYLE", "ISO")
    # A server that vanished is noticed in about ten seconds. The system's own limits are minutes, even hours.
    own = options.pop("options", "")
    return {
        "connect_timeout": 5,  # s
        "tcp_user_timeout": 10_000,  # ms that sent data may go without an answer
        "keepalives_idle": 4,  # s of silence until the first probe, with two more to follow: 4 + 3 × 2
        "keepalives_interval": 2,
        "keepalives_count": 3,
        # The first is in ms: a process that hangs between two statements does not keep its locks for ever. The second
        # is for psycopg, which reads no other format of durations. The URL's own come last and win.
        "options": f"-c idle_in_transaction_session_timeout=60000 -c intervalstyle=postgres {own}".strip(),
    }


def development_key() -> str:
    """This machine's own key, made at first use: sessions survive a restart, and the code holds no key."""
    path = VAR_DIR / "secret_key"
    with explained("DJANGO_SECRET_KEY must be set, because this machine's own cannot be kept in var/secret_key"):
        if not path.exists():
            draft = VAR_DIR / f"secret_key.{os.getpid()}"
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(50))
            with suppress(FileExistsError):  # another process was faster, and its key is used
                os.link(draft, path)
            draft.unlink()
        return path.read_text()


with explained(f"{VAR_DIR} must be a folder, and cannot be made"):
    VAR_DIR.mkdir(exist_ok=True)
env = Environment()
_named = env.str("ENV_FILE", default="")
_path = Path(_named or BASE_DIR / ".env")
if _named or _path.exists():
    with explained(f"{_path} cannot be read: mend that, or name another file in ENV_FILE"):
        env.read_file(_path)
