"""Makes the groups Viewer and Operator. People may change them afterwards: nothing else depends on them."""

from django.apps import apps as all_apps
from django.contrib.auth.management import create_permissions
from django.db import migrations

SEEN = {
    "coins": ("fullcoin", "coinreview", "namedview"),
    "crawls": ("crawlrun", "crawlschedule", "node", "rejectedrecord"),
}
DONE_BY_VIEWERS = {"coins": ("add_namedview",)}
DONE_BY_OPERATORS = {
    "coins": ("change_coinreview", "delete_namedview"),
    "crawls": (
        "stop_crawlrun",
        "run_crawlschedule",
        "add_crawlschedule",
        "change_crawlschedule",
        "delete_crawlschedule",
        "resolve_rejectedrecord",
    ),
}


def make_groups(apps, schema_editor):
    using = schema_editor.connection.alias
    for label in SEEN:  # Django makes permissions after all migrations, which is too late here
        create_permissions(all_apps.get_app_config(label), verbosity=0, using=using)
    viewing = {label: [f"view_{name}" for name in names] for label, names in SEEN.items()}
    viewer = [viewing, DONE_BY_VIEWERS]
    for name, rights in (("Viewer", viewer), ("Operator", [*viewer, DONE_BY_OPERATORS])):
        group, _ = apps.get_model("auth", "Group").objects.using(using).get_or_create(name=name)
        for by_app in rights:
            for label, codenames in by_app.items():
                permissions = apps.get_model("auth", "Permission").objects.using(using)
                found = permissions.filter(content_type__app_label=label, codename__in=codenames)
                group.permissions.add(*found.values_list("pk", flat=True))


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("coins", "0005_lists"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("crawls", "0005_whole_runs"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
