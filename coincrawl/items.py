"""CoinItem, whose fields are FullCoin's."""

from scrapy import Field
from scrapy_djangoitem import DjangoItem

from webapp.coins.models import FullCoin


class CoinItem(DjangoItem):
    """A record on its way to the database. CleanPipeline fills the model's fields from it.

    Only the fields of DjangoItem are used. Its `save` and its validation make a query for each coin, and block.
    """

    django_model = FullCoin

    record = Field()  # as the API sent it
    translated = Field()  # the same under the model's names; once it is cleaned, only in a rejected one
    page = Field()  # the page that has it
    rejection = Field()  # a webapp.coins.cleaning.Rejection, if it cannot be stored
