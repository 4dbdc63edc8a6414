"""The admin of users and groups: Django's own, which also rejects forged selections."""

import django.contrib.auth.admin as auth  # registers its own, replaced below
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User

from webapp.coins.admin.model_admin import CheckedActions

# Plainer than "Authentication and Authorization", and the index, which is sorted, leads with the crawled data.
apps.get_app_config("auth").verbose_name = "Users and groups"
admin.site.unregister([User, Group])


@admin.register(User)
class UserAdmin(CheckedActions, auth.UserAdmin):
    change_list_template = "admin/row_list.html"
    readonly_fields = ("last_login", "date_joined")  # nobody needs to write them, and their fields have no labels


@admin.register(Group)
class GroupAdmin(CheckedActions, auth.GroupAdmin):
    pass
