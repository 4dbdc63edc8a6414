"""Content negotiation."""

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class ContentNegotiation(DefaultContentNegotiation):
    def get_accept_list(self, request: Request) -> list[str]:
        """An empty `Accept` header allows everything, as a missing one does."""
        return super().get_accept_list(request) or ["*/*"]
