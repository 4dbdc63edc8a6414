from django.urls import path, register_converter
from django.urls.converters import StringConverter

from webapp.api import files, prices, views


class AnyText(StringConverter):
    """A key. It may have slashes and line breaks."""

    regex = "(?s:.+)"


register_converter(AnyText, "any")

app_name = "api"
urlpatterns = [
    path("", views.Addresses.as_view(), name="addresses"),
    path("coins.csv", files.CoinsFile.as_view(), name="coins_file"),
    path("coins/", views.Coins.as_view(), name="coins"),
    path("coins/<any:coin_id>/prices/", prices.CoinPrices.as_view(), name="coin_prices"),
    path("coins/<any:coin_id>/", views.Coin.as_view(), name="coin"),
    path("prices/", prices.DayPrices.as_view(), name="prices"),
    path("prices/gaps/", prices.CoinGaps.as_view(), name="price_gaps"),
    path("prices/days/", prices.Days.as_view(), name="price_days"),
    path("runs/", views.Runs.as_view(), name="runs"),
    path("runs/<any:run_id>/", views.Run.as_view(), name="run"),
    path("health/", views.Health.as_view(), name="health"),
    path("schema/", views.SchemaFile.as_view(), name="schema"),
    path("docs/", views.Docs.as_view(), name="docs"),
]
