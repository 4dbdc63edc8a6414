"""A NUL character in a request is an error of the client, on either database."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

PLACES = ["/api/coins/", "/api/runs/", "/admin/coins/fullcoin/", "/admin/crawls/crawlrun/", "/admin/auth/user/"]


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("admin"))
    return client


@pytest.mark.parametrize("place", PLACES)
def test_a_nul_in_the_path_is_404(admin: Client, place: str) -> None:
    answers = [admin.get(place + end) for end in ("%00/", "a%00b/change/", "a%00b/run/")]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("query", ["%00=1", "q=a%00", "after=%00", "symbol=b&symbol=a%00", "spider=%00", "run=%00"])
def test_a_nul_in_the_query_is_400(admin: Client, place: str, query: str) -> None:
    assert admin.get(f"{place}?{query}").status_code == 400


def test_a_nul_that_another_encoding_hides_is_400(admin: Client) -> None:
    answer = admin.get("/api/coins/?symbol=%2BAAA-", headers={"Content-Type": "text/plain; charset=utf-7"})

    assert answer.status_code == 400


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"Cookie": r'sessionid="0123456789\000"'}, id="session"),
        pytest.param({"Cookie": "csrftoken=a\0"}, id="cookie"),
        pytest.param({"Authorization": "Token \0"}, id="token"),
        pytest.param({"Authorization": "Bearer a\0b"}, id="token of the other scheme"),
    ],
)
def test_a_nul_in_a_header_is_400(client: Client, place: str, header: dict[str, str]) -> None:
    assert client.get(place, headers=header).status_code == 400


@pytest.mark.parametrize(("address", "status"), [("/api/coins/%00/", 404), ("/api/coins/?symbol=%00", 400)])
def test_under_the_api_the_error_is_json(client: Client, address: str, status: int) -> None:
    answer = client.get(address)

    assert answer.status_code == status
    assert list(answer.json()) == ["detail"]


def test_a_form_rejects_a_nul(client: Client) -> None:
    answer = client.post("/admin/login/", {"username": "a\0b", "password": "a\0b"})

    assert answer.status_code == 200
    assert "Null characters are not allowed." in answer.content.decode()
