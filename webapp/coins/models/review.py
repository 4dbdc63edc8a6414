"""CoinReview: what people say of a coin. No crawl ever reads or writes it."""

from django.conf import settings
from django.db import models

from webapp.coins.models.coin import FullCoin


class CoinReview(models.Model):
    """A person's remarks on a coin."""

    coin = models.OneToOneField(FullCoin, on_delete=models.CASCADE, primary_key=True, related_name="review")
    note = models.TextField(blank=True, max_length=10_000, help_text="For other people. No crawl changes it.")
    hidden = models.BooleanField(
        default=False,
        help_text="Leave the coin out of the admin's list, unless the list is filtered by review. The read API and "
        "mirrors still have it.",
    )
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, editable=False, help_text="When the review was last saved.")

    class Meta:
        verbose_name = "review"

    def __str__(self) -> str:
        return f"Review of {self.coin_id}"
