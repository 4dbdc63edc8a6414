"""`manage.py apitoken NAME`: a token to read the API with, in one command that asks nothing."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.urls import reverse
from rest_framework.authtoken.models import Token

from webapp.management.commands.adminuser import database_explained, user_named


def site() -> str:
    """Where the site is reached, as far as the settings tell."""
    for name in settings.ALLOWED_HOSTS:
        if name not in settings.LOOPBACK:
            return f"{'https' if settings.HTTPS else 'http'}://{name.removeprefix('.')}"
    return "http://127.0.0.1:8000"


class Command(BaseCommand):
    help = "Make a token to read the API with, and its user where there is none; shows once how to use it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the name of the user; a new one can do nothing but read the API")
        parser.add_argument("--renew", action="store_true", help="make a new token; the old one is void then")

    def handle(self, *args: Any, name: str, renew: bool, **options: Any) -> None:
        with database_explained(), transaction.atomic():
            user = user_named(name)
            if not user.is_active:
                raise CommandError(f"{user} is not active, so no token is of use: activate that user, or name another.")
            if user.pk is None:  # the same command may be running elsewhere
                user, _ = User.objects.get_or_create({"password": user.password}, username=user.username)
            if renew:
                Token.objects.filter(user=user).delete()
            token, is_new = Token.objects.get_or_create(user=user)
            if not is_new:
                raise CommandError(
                    f"{user} has a token already, made {token.created:%F %T} UTC and not shown again: "
                    "--renew makes a new one, and the old one is void then."
                )
        address = site() + reverse("api:coins")
        self.stdout.write(f"{user} may read the API with a token that is shown this once. For the .env of a mirror:")
        self.stdout.write(f"MIRROR_URL={address}")
        self.stdout.write(f"API_TOKEN={token.key}")
        self.stdout.write("For curl:")
        self.stdout.write(f"curl -H 'Authorization: Token {token.key}' {address}")
