import django.db.models.deletion
from django.db import migrations, models


def forget_what_no_run_has_seen(apps, schema_editor):
    """The runs that saw these have been forgotten, and so are they from now on."""
    records = apps.get_model('coins', 'RejectedRecord').objects.using(schema_editor.connection.alias)
    records.filter(run=None).delete()


class Migration(migrations.Migration):

    dependencies = [
        ('coins', '0005_exact_copy'),
    ]

    operations = [
        # Of the rejected records.
        migrations.RunPython(forget_what_no_run_has_seen, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='rejectedrecord',
            name='run',
            field=models.ForeignKey(help_text='The last run that saw it; the two are deleted together.', on_delete=django.db.models.deletion.CASCADE, to='coins.crawlrun'),
        ),
    ]
