from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('coins', '0005_exact_copy'),
    ]

    operations = [
        migrations.AddField(
            model_name='crawlrun',
            name='flushes',
            field=models.PositiveIntegerField(default=0, editable=False, help_text="Batches stored, the last one's number."),
        ),
        migrations.AddField(
            model_name='crawlrun',
            name='refused',
            field=models.JSONField(default=dict, editable=False, help_text='By coin of that batch, why the database did not take it.'),
        ),
        migrations.AddField(
            model_name='crawlrun',
            name='rounded',
            field=models.JSONField(blank=True, default=dict, help_text='By field: numbers with more digits than SQLite keeps, stored rounded.'),
        ),
        migrations.AddField(
            model_name='crawlrun',
            name='went_back',
            field=models.PositiveIntegerField(default=0, help_text='Of those updated: coins whose record was older than what was stored.'),
        ),
    ]
