"""The page on which the read API is tried, in a browser."""

from decimal import Decimal

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect
from rest_framework.authtoken.models import Token

from tests.support.factories import make_coin
from webapp.api.parameters import CoinsParameters
from webapp.api.schema import whole_schema


def test_the_read_api_is_tried_with_a_token(page: Page) -> None:
    make_coin("bitcoin", symbol="btc", current_price=Decimal("0.00000012"))
    make_coin("ether", symbol="eth")
    token = Token.objects.create(user=User.objects.get())
    page.context.clear_cookies()

    page.goto("/api/docs/")
    expect(page.locator(".opblock-summary-path")).to_have_count(len(whole_schema()["paths"]))
    page.get_by_role("button", name="Authorize").click()
    by_token = page.locator(".auth-container").first
    by_token.get_by_role("textbox").fill(token.key)
    by_token.get_by_role("button", name="Apply credentials").click()
    by_token.get_by_role("button", name="Close").click()

    coins = page.locator("#operations-coins-list_coins")
    coins.locator(".opblock-summary-control").click()
    coins.get_by_role("button", name="Try it out").click()
    expect(coins.locator(".parameter__name")).to_have_text(list(CoinsParameters._declared_fields))

    coins.get_by_placeholder("symbol").fill("BTC")
    coins.get_by_role("button", name="Execute").click()
    answer = coins.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_have_text("200")
    expect(answer).to_contain_text('"current_price": "0.00000012"')
    expect(answer).to_contain_text('"count": 1')
