"""Tables of ingest."""

import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('common', '0001_grants'),
        ('fleet', '0001_initial'),
        ('recordings', '0001_initial'),
        ('storage', '0001_initial'),
        ('tenancy', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='PendingSegment',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('sha256', models.CharField(editable=False, max_length=64)),
                ('size_bytes', models.PositiveBigIntegerField(editable=False)),
                ('object_key', models.CharField(editable=False, max_length=255)),
                ('manifest_json', models.TextField(editable=False)),
                ('wrapped_seal', models.BinaryField(default=b'')),
                ('agent', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fleet.agent')),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='recordings.classsession')),
                ('store', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='storage.studiostore')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='QuarantinedSegment',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('segment_id', models.UUIDField(editable=False)),
                ('sha256', models.CharField(editable=False, max_length=64)),
                ('code', models.CharField(editable=False, max_length=40)),
                ('detail', models.TextField(blank=True, editable=False)),
                ('manifest_json', models.TextField(editable=False)),
                ('agent', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fleet.agent')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('agent', 'segment_id', 'sha256'), name='ingest_quarantined_once')],
            },
        ),
    ]
