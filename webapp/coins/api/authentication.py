"""Who asks."""

from typing import Any

from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed


class TokenAuthentication(authentication.TokenAuthentication):
    """`Authorization: Token ...`, of whatever characters: PostgreSQL cannot even be asked for a NUL."""

    def authenticate_credentials(self, key: str) -> Any:
        if "\0" in key:
            raise AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(key)
