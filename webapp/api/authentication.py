"""Who asks."""

from typing import Any

from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request


class BearerAuthentication(authentication.TokenAuthentication):
    """`Authorization: Bearer ...`, of whatever characters: PostgreSQL cannot even be asked for a NUL."""

    keyword = "Bearer"

    def authenticate_header(self, request: Request) -> str:
        """Both words; Bearer needs a parameter beside it (RFC 6750)."""
        return 'Token, Bearer realm="api"'

    def authenticate_credentials(self, key: str) -> Any:
        if "\0" in key:
            raise AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(key)


class TokenAuthentication(BearerAuthentication):
    """`Authorization: Token ...`, the same in the word of Django REST Framework."""

    keyword = "Token"
