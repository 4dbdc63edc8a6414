"""`manage.py apitoken NAME`: makes a token for the read API, in one command without questions."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.urls import reverse
from rest_framework.authtoken.models import Token

from webapp.crawls.channels import site_address
from webapp.crawls.migrated import MigratedCommand
from webapp.management.users import user_named


class Command(MigratedCommand):
    help = "Makes a token for the read API, and its user if there is none. Shows the token once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the name of the user; a new user can only read the API")
        parser.add_argument("--renew", action="store_true", help="replace the token; the old one stops working")

    def handle(self, *args: Any, name: str, renew: bool, **options: Any) -> None:
        with transaction.atomic():
            user = user_named(name)
            if not user.is_active:
                raise CommandError(
                    f"{user} is not active and cannot use a token: activate the user, or name another one."
                )
            if user.pk is None:  # the same command may run elsewhere
                user, _ = User.objects.get_or_create({"password": user.password}, username=user.username)
            if renew:
                Token.objects.filter(user=user).delete()
            token, is_new = Token.objects.get_or_create(user=user)
            if not is_new:
                raise CommandError(
                    f"{user} has a token already, made {token.created:%F %T} UTC and not shown again: "
                    "--renew replaces it, and the old one stops working."
                )
        address = site_address() + reverse("api:coins")
        self.stdout.write(f"The token of {user}, shown only now. For the .env of a mirror:")
        self.stdout.write(f"MIRROR_URL={address}")
        self.stdout.write(f"API_TOKEN={token.key}")
        self.stdout.write("For curl:")
        self.stdout.write(f"curl -H 'Authorization: Token {token.key}' {address}")
