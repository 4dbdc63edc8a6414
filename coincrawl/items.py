"""CoinItem, whose fields are FullCoin's."""

from scrapy import Field
from scrapy_djangoitem import DjangoItem

from webapp.coins.models import FullCoin


class CoinItem(DjangoItem):
    """A record on its way: as it was sent, until CleanPipeline turns it into the values of the model's fields.

    Only the fields are used: DjangoItem's own `save` and validation are one query a coin, and not async.
    """

    django_model = FullCoin

    record = Field()  # as the API sent it
    translated = Field()  # the same under the model's names
    page = Field()  # the page it stood on
    rejection = Field()  # a webapp.coins.cleaning.Rejection, where it cannot be stored
