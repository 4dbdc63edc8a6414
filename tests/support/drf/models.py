from django.db import models


class Coin(models.Model):
    """A few of the fields that CoinGecko has, under its names."""

    id = models.CharField(primary_key=True, max_length=200)
    symbol = models.CharField(max_length=50)
    name = models.CharField(max_length=200)
    category = models.CharField(max_length=50)
    current_price = models.DecimalField(max_digits=30, decimal_places=10, null=True)
    market_cap = models.FloatField(null=True)
    roi = models.JSONField(null=True)
    last_updated = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.id
