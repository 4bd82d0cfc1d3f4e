"""Tables of audit."""

import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [('common', '0001_grants')]

    operations = [
        migrations.CreateModel(
            name='ChainHead',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('studio_id', models.UUIDField(editable=False, null=True)),
                ('sequence', models.BigIntegerField(default=0, editable=False)),
                ('hash', models.BinaryField(max_length=32)),
            ],
            options={
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio_id',), name='audit_chainhead_once', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='Entry',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('studio_id', models.UUIDField(editable=False, null=True)),
                ('sequence', models.BigIntegerField(editable=False)),
                ('occurred_at', models.DateTimeField(editable=False)),
                ('action', models.CharField(editable=False, max_length=64)),
                ('actor_kind', models.CharField(editable=False, max_length=16)),
                ('actor_id', models.UUIDField(editable=False, null=True)),
                ('actor_job', models.CharField(blank=True, editable=False, max_length=64)),
                ('object_type', models.CharField(editable=False, max_length=64)),
                ('object_id', models.CharField(editable=False, max_length=64)),
                ('details', models.JSONField(default=dict, editable=False)),
                ('previous_hash', models.BinaryField(max_length=32)),
                ('hash', models.BinaryField(max_length=32)),
            ],
            options={
                'verbose_name_plural': 'entries',
                'ordering': ['sequence'],
                'base_manager_name': 'objects',
                'indexes': [models.Index(fields=['studio_id', '-occurred_at', '-sequence'], name='audit_entry_by_time'), models.Index(fields=['studio_id', 'actor_id', '-occurred_at', '-sequence'], name='audit_entry_by_actor'), models.Index(fields=['studio_id', 'object_id', '-occurred_at', '-sequence'], name='audit_entry_by_object'), models.Index(fields=['studio_id', 'action', '-occurred_at', '-sequence'], name='audit_entry_by_action')],
                'constraints': [models.UniqueConstraint(fields=('studio_id', 'sequence'), name='audit_entry_sequence_once', nulls_distinct=False)],
            },
        ),
    ]
