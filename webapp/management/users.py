"""Users that commands make."""

import secrets

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError


def user_named(name: str, **rights: bool) -> User:
    """The user of that name, or a new one with these rights and no password, not saved yet.

    Raises CommandError if the name is invalid.
    """
    new = User(username=User.normalize_username(name), **rights)
    new.set_unusable_password()
    try:
        new.clean_fields()
    except ValidationError as error:
        raise CommandError(f"{name!r} cannot be a user's name: {' '.join(error.messages)}") from None
    return User.objects.filter(username=new.username).first() or new


def give_password(name: str, password: str | None = None) -> tuple[User, str]:
    """A new superuser, or the existing user, with this password or a random one. Returns both."""
    password = password or secrets.token_urlsafe(12)
    user = user_named(name, is_staff=True, is_superuser=True)
    user.set_password(password)
    user.save()
    return user, password
