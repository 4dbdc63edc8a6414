import django.db.models.deletion
from django.db import migrations, models


def forget_what_no_run_has_seen(apps, schema_editor):
    """The runs that saw these have been forgotten, and so are they from now on."""
    records = apps.get_model('coins', 'RejectedRecord').objects.using(schema_editor.connection.alias)
    records.filter(run=None).delete()


def let_slots_of_lost_runs_be_due_again(apps, schema_editor):
    """They have been, by the verdict alone."""
    runs = apps.get_model('coins', 'CrawlRun').objects.using(schema_editor.connection.alias)
    runs.filter(verdict='lost', slot__isnull=False).update(due_again=True)


class Migration(migrations.Migration):

    dependencies = [
        ('coins', '0006_flush'),
    ]

    operations = [
        # Of the rejected records.
        migrations.RunPython(forget_what_no_run_has_seen, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='rejectedrecord',
            name='run',
            field=models.ForeignKey(help_text='The last run that saw it; the two are deleted together.', on_delete=django.db.models.deletion.CASCADE, to='coins.crawlrun'),
        ),
        # Of the slots.
        migrations.AddField(
            model_name='crawlschedule',
            name='not_before',
            field=models.DateTimeField(blank=True, editable=False, help_text='When a slot that waits is run again, because its run failed.', null=True),
        ),
        migrations.RemoveConstraint(
            model_name='crawlrun',
            name='one_run_per_slot_that_is_not_lost',
        ),
        migrations.AddField(
            model_name='crawlrun',
            name='due_again',
            field=models.BooleanField(default=False, help_text='Whether its slot falls due once more, because the run came to nothing.', verbose_name='slot due again'),
        ),
        migrations.RunPython(let_slots_of_lost_runs_be_due_again, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='crawlrun',
            constraint=models.UniqueConstraint(condition=models.Q(('due_again', False)), fields=('schedule', 'slot'), name='one_run_per_slot_that_is_not_due_again'),
        ),
    ]
