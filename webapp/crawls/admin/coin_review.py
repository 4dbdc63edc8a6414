"""The part of a coin's page that belongs to people: a note, and whether the coin is hidden in the list."""

from copy import copy
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST

from webapp.coins import clock
from webapp.coins.admin.formats import address_of, ago
from webapp.coins.admin.keys import unquote
from webapp.coins.admin.model_admin import RowAdmin
from webapp.coins.models import CoinReview, FullCoin


class NoteField(forms.CharField):
    """A text whose lines end in one character, as those that a browser counts, and not in two, as it sends them."""

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {}  # with `maxlength`, a browser cuts a text that is pasted, and says nothing


class ReviewForm(forms.ModelForm):
    class Meta:
        model = CoinReview
        fields = ("note", "hidden")
        field_classes = {"note": NoteField}
        widgets = {"note": forms.Textarea(attrs={"rows": 3, "cols": 60})}


def whole(review: CoinReview) -> str:
    """All that a review says, for the history: the next one replaces it."""
    note = f"Note: {review.note}" if review.note else "No note."
    return f"{'Hidden' if review.hidden else 'Not hidden'}. {note}"


class ReviewAdmin(RowAdmin):
    """Saving a review needs `coins.change_coinreview`, and is recorded in the coin's history."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.review_view))
        return [path("<path:object_id>/review/", view, name=self.view_name("review")), *super().get_urls()]

    def may_review(self, request: HttpRequest) -> bool:
        return request.user.has_perm("coins.change_coinreview")

    def review_context(self, request: HttpRequest, coin: FullCoin) -> dict[str, Any]:
        review = CoinReview.objects.select_related("reviewed_by").filter(pk=coin.pk).first()
        return {
            "review": review,
            "reviewed_ago": ago(review.reviewed_at) if review else "",
            "review_form": ReviewForm(instance=review),
            "history_of_reviews": self.with_list(request, address_of(coin, "history"))
            if review and review.reviewed_at
            else "",
            "save_review": self.with_list(request, address_of(coin, "review")) if self.may_review(request) else "",
        }

    def review_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not (self.may_review(request) and self.has_view_permission(request)):
            raise PermissionDenied
        coin = self.get_object(request, unquote(object_id))
        if coin is None:
            raise Http404
        form = ReviewForm(request.POST, instance=CoinReview.objects.filter(pk=coin.pk).first())
        if not form.is_valid():
            self.message_user(request, "The review is not saved: see below.", messages.ERROR)
            as_get = copy(request)
            as_get.method = "GET"  # the page itself takes nothing by POST
            return self.change_view(as_get, object_id, extra_context={"review_form": form})
        review = form.save(commit=False)
        review.coin, review.reviewed_by_id, review.reviewed_at = coin, request.user.pk, clock.database_clock()
        with transaction.atomic():
            CoinReview.objects.get_or_create(coin=coin)  # another person may save the first one in the same moment
            review.save()
            changed = " and ".join(form.changed_data) or "nothing"
            self.log_change(request, coin, f"Reviewed it; changed: {changed}. {whole(review)}")
        self.message_user(request, "The review is saved.", messages.SUCCESS)
        return redirect(f"{self.with_list(request, address_of(coin))}#review")
