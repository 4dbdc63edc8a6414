"""People with different rights, as they are in the groups that the migrations make."""

from importlib import import_module

from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client

PEOPLE = ("nobody", "staff", "viewer", "operator", "superuser")


def group(name: str) -> Group:
    """The group; made again if a test has emptied the database since the migrations."""
    if not Group.objects.filter(name=name).exists():
        import_module("webapp.crawls.migrations.0006_groups").make_groups(apps, connection.schema_editor())
    return Group.objects.get(name=name)


def client_of(person: str) -> Client:
    """Of nobody in particular, or of somebody of this kind who is logged in."""
    client = Client()
    if person == "superuser":
        client.force_login(User.objects.create_superuser(person))
    elif person != "nobody":
        user = User.objects.create_user(person, is_staff=True)
        if person != "staff":
            user.groups.add(group(person.capitalize()))
        client.force_login(user)
    return client
