from datetime import timedelta

from django.db import migrations, models
from django.db.models import F

import webapp.coins.fields

AMOUNTS = (
    'current_price', 'high_24h', 'low_24h', 'price_change_24h', 'market_cap', 'fully_diluted_valuation',
    'total_volume', 'market_cap_change_24h', 'circulating_supply', 'total_supply', 'max_supply', 'ath', 'atl',
    'roi_times', 'roi_percentage',
)
PERCENTAGES = (
    'price_change_percentage_24h', 'market_cap_change_percentage_24h', 'ath_change_percentage', 'atl_change_percentage',
)


def exact(name, decimal_places):
    field = webapp.coins.fields.ExactDecimalField(blank=True, decimal_places=decimal_places, max_digits=60, null=True)
    return migrations.AlterField(model_name='fullcoin', name=name, field=field)


def date_what_is_stored(apps, schema_editor):
    """No answer that is older than a stored row may pass for a newer one because the row is from before."""
    coins = apps.get_model('coins', 'FullCoin').objects.using(schema_editor.connection.alias)
    coins.filter(last_updated__year__gt=1).update(stale_before=F('last_updated') - timedelta(seconds=1))


def forget_which_fields_were_filled(apps, schema_editor):
    """They were names without a count; the next complete run counts."""
    apps.get_model('coins', 'CrawlRun').objects.using(schema_editor.connection.alias).update(filled={})


def ignore_what_was_retried(apps, schema_editor):
    """Somebody has dealt with these, and the status `retried` is gone."""
    records = apps.get_model('coins', 'RejectedRecord').objects.using(schema_editor.connection.alias)
    records.filter(status='retried').update(status='ignored')


class Migration(migrations.Migration):

    dependencies = [
        ('coins', '0004_alarm'),
    ]

    operations = [
        # Of the coins.
        # The columns stay as they are: on SQLite they would all be copied for nothing, once for each field.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                *(exact(name, 30) for name in AMOUNTS),
                *(exact(name, 10) for name in PERCENTAGES),
            ],
        ),
        migrations.AlterField(
            model_name='fullcoin',
            name='changed_at',
            field=models.DateTimeField(help_text="When a crawl last changed this row, by the database's clock; later than all changes before it."),
        ),
        migrations.AddField(
            model_name='fullcoin',
            name='market_cap_rank_with_rehypothecated',
            field=models.IntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='fullcoin',
            name='stale_before',
            field=models.DateTimeField(editable=False, help_text='The last `last_updated` that was not null, less a second: an answer from before it is an older one.', null=True),
        ),
        migrations.RunPython(date_what_is_stored, migrations.RunPython.noop),
        # Of the runs.
        migrations.AddField(
            model_name='crawlrun',
            name='newest_update',
            field=models.DateTimeField(blank=True, help_text="The newest `last_updated` of a coin, by the source's clock.", null=True),
        ),
        migrations.AddField(
            model_name='crawlrun',
            name='stale',
            field=models.PositiveIntegerField(default=0, help_text='Records older than what was stored less than ten minutes ago: probably from a cache, so not stored.'),
        ),
        migrations.AlterField(
            model_name='crawlrun',
            name='duplicates',
            field=models.PositiveIntegerField(default=0, help_text='Later occurrences of a coin, or of a rejected record, in the same run.'),
        ),
        migrations.AlterField(
            model_name='crawlrun',
            name='unchanged',
            field=models.PositiveIntegerField(default=0, help_text='Coins stored already with these values.'),
        ),
        migrations.AlterField(
            model_name='crawlrun',
            name='filled',
            field=models.JSONField(blank=True, default=dict, help_text='By field: in how many records it had a value; coin_id: in all that could be stored.'),
        ),
        migrations.RunPython(forget_which_fields_were_filled, migrations.RunPython.noop),
        # Of the rejected records.
        migrations.RunPython(ignore_what_was_retried, migrations.RunPython.noop),
        migrations.RemoveConstraint(
            model_name='rejectedrecord',
            name='one_open_rejection_per_coin_and_reasons',
        ),
        migrations.AlterField(
            model_name='rejectedrecord',
            name='count',
            field=models.PositiveIntegerField(default=1, help_text='How often it has come, at most once in a run for a coin.'),
        ),
        migrations.AlterField(
            model_name='rejectedrecord',
            name='status',
            field=models.CharField(choices=[('open', 'Open'), ('resolved', 'Resolved'), ('ignored', 'Ignored')], default='open', max_length=20),
        ),
        migrations.AddIndex(
            model_name='rejectedrecord',
            index=models.Index(fields=['status', 'coin_id'], name='rejections_by_status'),
        ),
        migrations.AddConstraint(
            model_name='rejectedrecord',
            constraint=models.UniqueConstraint(condition=models.Q(('status__in', ['open', 'resolved'])), fields=('fingerprint',), name='one_rejection_per_coin_and_reasons'),
        ),
    ]
