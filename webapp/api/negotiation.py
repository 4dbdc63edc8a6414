"""What is taken in answer."""

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class ContentNegotiation(DefaultContentNegotiation):
    def get_accept_list(self, request: Request) -> list[str]:
        """An `Accept` of nothing says as little as none."""
        return super().get_accept_list(request) or ["*/*"]
