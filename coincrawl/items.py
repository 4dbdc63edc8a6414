"""What spiders yield: CoinItem, whose fields are FullCoin's, ChartItem and DayItem."""

from dataclasses import asdict

from scrapy import Field, Item
from scrapy_djangoitem import DjangoItem

from webapp.coins.models import FullCoin


class CoinItem(DjangoItem):
    """A record on its way to the database. CleanPipeline fills the model's fields from it.

    Only the fields of DjangoItem are used. Its `save` and its validation make a query for each coin, and block.
    """

    django_model = FullCoin

    record = Field()  # as the API sent it
    translated = Field()  # the same under the model's names
    page = Field()  # the page that has it
    rejection = Field()  # a webapp.coins.cleaning.Rejection, if it cannot be stored


class ChartItem(Item):
    """The past prices of a coin: a webapp.coins.prices.points.Chart."""

    coin_id = Field()
    step = Field(serializer=lambda step: step.label)
    bars = Field(serializer=lambda bars: [asdict(bar) for bar in bars])
    since = Field()
    until = Field()
    points = Field()
    rejected = Field()
    rejection = Field()


class DayItem(Item):
    """The prices of a day: a webapp.crawls.copying.DayOfPrices."""

    day = Field()
    bars = Field()
    rejected = Field()
    changed_at = Field()
