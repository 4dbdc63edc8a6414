"""How clients send a token."""

from rest_framework import authentication
from rest_framework.request import Request


class BearerAuthentication(authentication.TokenAuthentication):
    """`Authorization: Bearer ...`"""

    keyword = "Bearer"

    def authenticate_header(self, request: Request) -> str:
        """Both schemes. Bearer needs a parameter beside it (RFC 6750)."""
        return 'Token, Bearer realm="api"'


class TokenAuthentication(BearerAuthentication):
    """`Authorization: Token ...`, which is Django REST Framework's own."""

    keyword = "Token"
