"""Tokens of the read API: `manage.py apitoken`, and the admin's pages, which never show a key again."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from rest_framework.authtoken.models import Token

from tests.support.processes import python

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

TOKENS = reverse("admin:authtoken_tokenproxy_changelist")
ADD = reverse("admin:authtoken_tokenproxy_add")


def apitoken(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines that the command prints."""
    call_command("apitoken", *arguments)
    return capsys.readouterr().out.splitlines()


def reads(client: Client, key: str) -> bool:
    """Whether this key opens the API."""
    status = client.get(reverse("api:coins"), headers={"Authorization": f"Token {key}"}).status_code
    assert status in (200, 401)
    return status == 200


def page_of(token: Token, what: str = "change") -> str:
    return reverse(f"admin:authtoken_tokenproxy_{what}", args=[token.user_id])


def staff(client: Client, *actions: str) -> Client:
    """A client of somebody in the admin who may do this with tokens, and nothing else."""
    user = User.objects.create_user("maria", is_staff=True)
    names = [f"{action}_tokenproxy" for action in actions]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    return client


@pytest.fixture
def token() -> Token:
    return Token.objects.create(user=User.objects.create_user("berlin"))


# The command -------------------------------------------------------------------------------------
def test_the_printed_token_opens_the_api_to_a_user_who_can_do_nothing_else(
    capsys: pytest.CaptureFixture[str], client: Client
) -> None:
    lines = apitoken(capsys, "berlin")

    key = lines[2].removeprefix("API_TOKEN=")
    user = Token.objects.get(key=key).user
    assert reads(client, key)
    assert (user.username, user.is_active, user.is_staff, user.is_superuser) == ("berlin", True, False, False)
    assert not user.has_usable_password()
    assert not user.get_all_permissions()


@pytest.mark.parametrize(
    ("hosts", "https", "address"),
    [
        (["localhost", "127.0.0.1"], False, "http://127.0.0.1:8001/api/coins/"),
        (["localhost", "coins.example"], True, "https://coins.example/api/coins/"),
        ([".coins.example"], False, "http://coins.example/api/coins/"),
    ],
)
def test_it_says_how_to_use_the_token_and_where(
    settings: Any, capsys: pytest.CaptureFixture[str], hosts: list[str], https: bool, address: str
) -> None:
    settings.ALLOWED_HOSTS, settings.HTTPS, settings.PORT = hosts, https, 8001

    lines = apitoken(capsys, "berlin")

    key = Token.objects.get().key
    assert lines[1:3] == [f"MIRROR_URL={address}", f"API_TOKEN={key}"]
    assert lines[4:] == [f"curl -H 'Authorization: Token {key}' {address}"]


def test_an_existing_user_stays_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create_user("maria", is_staff=True)
    before = User.objects.values().get()

    apitoken(capsys, "maria")

    assert User.objects.values().get() == before
    assert Token.objects.get().user_id == before["id"]


def test_a_second_token_is_made_only_when_asked_for_and_voids_the_first(
    capsys: pytest.CaptureFixture[str], client: Client, token: Token
) -> None:
    with pytest.raises(CommandError, match=r"^berlin has a token already, made [-\d]+ [:\d]+ UTC .* --renew replaces"):
        apitoken(capsys, "berlin")
    reads_still = reads(client, token.key)
    lines = apitoken(capsys, "berlin", "--renew")

    assert reads_still
    assert reads(client, lines[2].removeprefix("API_TOKEN="))
    assert not reads(client, token.key)


@pytest.mark.parametrize("name", ["two words", "", "x" * 151, "\udcff"])
def test_an_invalid_name_is_rejected_with_a_sentence(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(CommandError, match="cannot be a user's name"):
        apitoken(capsys, name)

    assert not User.objects.exists()


@contextmanager
def once_after_queries(times: int, do: Callable[[], object]) -> Iterator[None]:
    """Changes the database after so many SELECTs, as another process might."""
    looks = count(1)

    def statement(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if sql.startswith("SELECT") and next(looks) == times:
            do()
        return result

    with connection.execute_wrapper(statement):
        yield


@pytest.mark.parametrize("looks", [1, 2, 3])
def test_another_process_may_make_the_token_at_the_same_time(capsys: pytest.CaptureFixture[str], looks: int) -> None:
    def another() -> None:
        Token.objects.create(user=User.objects.get_or_create(username="berlin")[0])

    with once_after_queries(looks, another), pytest.raises(CommandError, match=r"^berlin has a token already"):
        apitoken(capsys, "berlin")


def test_a_user_who_is_not_active_gets_none(capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create_user("berlin", is_active=False)

    with pytest.raises(CommandError, match=r"^berlin is not active"):
        apitoken(capsys, "berlin")

    assert not Token.objects.exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///{folder}/empty.sqlite3", "is not migrated: run `python webapp/manage.py migrate` first"),
        ("postgres://u:secret@127.0.0.1:1/x", r"cannot be used \(.*refused\): check DATABASE_URL"),
    ],
    ids=["empty", "away"],
)
def test_a_database_that_is_not_ready_is_an_error_in_a_sentence(tmp_path: Path, url: str, words: str) -> None:
    done = python(["webapp/manage.py", "apitoken", "berlin"], {"DATABASE_URL": url.format(folder=tmp_path)})

    assert done.returncode == 1
    assert re.fullmatch(rf"CommandError: The database {words}\.\n", done.stderr)
    assert "secret" not in done.stderr


# The admin ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "address",
    [
        "",
        "?_popup=1",
        "?_to_field=key",
        "{id}/change/",
        "{id}/change/?_to_field=key",
        "{id}/change/?_popup=1",
        "{id}/history/",
    ],
)
def test_users_who_may_view_tokens_cannot_read_their_keys(client: Client, token: Token, address: str) -> None:
    page = staff(client, "view").get(TOKENS + address.format(id=token.user_id), follow=True).content.decode()

    assert "berlin" in page
    assert token.key not in page


@pytest.mark.parametrize("address", ["?q={}", "?key__startswith={}", "?user__auth_token__startswith={}", "?key__gt={}"])
def test_nobody_finds_a_token_by_a_part_of_its_key(client: Client, token: Token, address: str) -> None:
    page = staff(client, "view").get(TOKENS + address.format(token.key[:6])).content.decode()

    assert "berlin" not in page


def test_the_list_names_user_and_date(client: Client, token: Token) -> None:
    response = staff(client, "view").get(TOKENS)

    assert f'<a href="{page_of(token)}">berlin</a>' in response.content.decode()
    assert f"{token.created:%Y-%m-%d %H:%M:%S}" in response.content.decode()


def test_a_token_that_is_added_is_shown_once(client: Client) -> None:
    user = User.objects.create_user("berlin")
    maria = staff(client, "add", "view")

    added = maria.post(ADD, {"user": user.pk})
    shown = maria.get(added["Location"])
    again = maria.get(TOKENS)

    key = Token.objects.get(user=user).key
    assert (added.status_code, added["Location"]) == (302, TOKENS)
    assert not added.cookies.keys() - {"sessionid"}  # another would take the key with it, for anybody to read
    assert shown.content.decode().count(key) == 1
    assert key not in again.content.decode()
    assert "berlin" in again.content.decode()


def test_a_token_can_be_added_for_active_users_without_one(client: Client, token: Token) -> None:
    User.objects.create_user("asleep", is_active=False)
    wanting = User.objects.create_user("wien")
    maria = staff(client, "add")

    choices = [user.username for user in maria.get(ADD).context["adminform"].form.fields["user"].queryset]
    maria.post(ADD, {"user": token.user_id})
    added = maria.post(ADD, {"user": wanting.pk}, follow=True)

    assert choices == ["maria", "wien"]
    assert {token.user.username for token in Token.objects.all()} == {"berlin", "wien"}
    assert Token.objects.get(user=wanting).key in added.content.decode()


def test_deleting_a_token_voids_it_and_names_its_user_alone(client: Client, token: Token) -> None:
    maria = staff(client, "delete", "view")

    asked = maria.get(page_of(token, "delete"))
    done = maria.post(page_of(token, "delete"), {"post": "yes"}, follow=True)

    assert done.redirect_chain == [(TOKENS, 302)]
    assert not reads(client, token.key)
    assert User.objects.filter(username="berlin").exists()
    for page in (asked, done):
        assert "berlin" in page.content.decode()
        assert token.key not in page.content.decode()


def test_what_is_logged_is_the_users_name(client: Client) -> None:
    user = User.objects.create_user("berlin")
    maria = staff(client, "add", "delete")

    maria.post(ADD, {"user": user.pk})
    maria.post(page_of(Token.objects.get(), "delete"), {"post": "yes"})

    logged = LogEntry.objects.values_list("object_repr", "object_id")
    assert list(logged) == [("berlin", str(user.pk))] * 2


def test_the_page_that_deletes_a_user_does_not_show_the_token(client: Client, token: Token) -> None:
    client.force_login(User.objects.create_superuser("root"))

    page = client.get(reverse("admin:auth_user_delete", args=[token.user_id])).content.decode()

    assert "Token: berlin" in page
    assert token.key not in page


@pytest.mark.parametrize(
    ("actions", "add", "view", "delete"),
    [([], 403, 403, 403), (["view"], 403, 200, 403), (["add"], 200, 403, 403), (["delete"], 403, 403, 200)],
    ids=["nothing", "view", "add", "delete"],
)
def test_each_permission_opens_its_own_page(
    client: Client, token: Token, actions: list[str], *, add: int, view: int, delete: int
) -> None:
    maria = staff(client, *actions)

    answers = [maria.get(address).status_code for address in (ADD, page_of(token), page_of(token, "delete"))]

    assert answers == [add, view, delete]


def test_nobody_changes_a_token(client: Client, token: Token) -> None:
    client.force_login(User.objects.create_superuser("root"))
    other = User.objects.create_user("wien")

    answer = client.post(page_of(token), {"user": other.pk})

    assert answer.status_code == 403
    assert Token.objects.get().user == token.user


@pytest.mark.parametrize("key", ["0", "9" * 30, "9" * 5_000, "x", "²", "_00"])
def test_a_token_that_there_is_not_leads_back(client: Client, key: str) -> None:
    answer = staff(client, "view").get(f"{TOKENS}{key}/change/")

    assert answer.status_code == 302
