"""Tables of fleet."""

import django.core.validators
import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('common', '0001_grants'),
        ('tenancy', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Agent',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('name', models.CharField(max_length=80)),
                ('state', models.CharField(choices=[('pending', 'Paired, not seen yet'), ('active', 'Active'), ('replaced', 'Replaced, uploading the rest'), ('revoked', 'Revoked')], default='pending', max_length=16)),
                ('identity_key', models.BinaryField(max_length=32)),
                ('sealing_key', models.BinaryField(max_length=32)),
                ('fingerprint', models.CharField(editable=False, max_length=19)),
                ('host', models.JSONField(default=dict, editable=False)),
                ('agent_version', models.CharField(blank=True, editable=False, max_length=40)),
                ('protocol', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('last_seen_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('last_address', models.CharField(blank=True, editable=False, max_length=64)),
                ('link_id', models.UUIDField(blank=True, editable=False, null=True)),
                ('linked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('stopped_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('revoked_reason', models.CharField(blank=True, editable=False, max_length=200)),
                ('duplicate_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('duplicate_detail', models.CharField(blank=True, editable=False, max_length=200)),
                ('upload_opens', models.CharField(blank=True, editable=False, max_length=5)),
                ('upload_closes', models.CharField(blank=True, editable=False, max_length=5)),
                ('upload_max_bytes_per_s', models.PositiveBigIntegerField(editable=False, null=True)),
                ('replaced_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fleet.agent')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['name', 'id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='Camera',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('name', models.CharField(max_length=100)),
                ('position', models.CharField(choices=[('left', 'Left'), ('centre', 'Centre'), ('right', 'Right')], max_length=8)),
                ('source_kind', models.CharField(choices=[('rtsp', 'RTSP camera'), ('http', 'HTTP stream'), ('file', 'Video file on the agent')], max_length=8)),
                ('source_url', models.CharField(blank=True, max_length=2000)),
                ('source_name', models.CharField(blank=True, max_length=100)),
                ('sealed_credentials', models.BinaryField(null=True)),
                ('sealed_tail', models.BinaryField(null=True)),
                ('record_audio', models.BooleanField(default=True)),
                ('offset_us', models.IntegerField(default=0, help_text='Added to every time of this camera: its constant delay, measured. Microseconds.', validators=[django.core.validators.MinValueValidator(-5000000), django.core.validators.MaxValueValidator(5000000)], verbose_name='offset (µs)')),
                ('enabled', models.BooleanField(default=True)),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cameras', to='fleet.agent')),
                ('room', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.room')),
                ('sealed_for', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='fleet.agent')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('tail_sealed_for', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='fleet.agent')),
            ],
            options={
                'ordering': ['room', 'position', 'name'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='DesiredConfig',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('hash', models.CharField(editable=False, max_length=64)),
                ('body', models.TextField(editable=False)),
                ('changed_at', models.DateTimeField(editable=False)),
                ('agent', models.OneToOneField(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='desired', to='fleet.agent')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='PairingCode',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('lookup_hash', models.CharField(db_index=True, editable=False, max_length=64)),
                ('code_hash', models.CharField(editable=False, max_length=64)),
                ('state', models.CharField(choices=[('pending', 'Waiting for an agent'), ('claimed', 'Used'), ('expired', 'Expired'), ('locked', 'Locked after wrong codes')], default='pending', editable=False, max_length=16)),
                ('expires_at', models.DateTimeField(editable=False)),
                ('tries', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('agent_name', models.CharField(blank=True, editable=False, max_length=80)),
                ('created_by', models.UUIDField(editable=False, null=True)),
                ('claimed_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fleet.agent')),
                ('replaces', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fleet.agent')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='RecordingOrder',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('class_session_id', models.UUIDField(editable=False)),
                ('start_at', models.DateTimeField(editable=False)),
                ('stop_at', models.DateTimeField(editable=False, null=True)),
                ('agent', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='orders', to='fleet.agent')),
                ('room', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.room')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['start_at', 'id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='ReportedConfig',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('hash', models.CharField(blank=True, editable=False, max_length=64)),
                ('status', models.CharField(choices=[('applying', 'applying'), ('applied', 'applied'), ('failed', 'failed')], editable=False, max_length=16)),
                ('error', models.TextField(blank=True, editable=False)),
                ('failed_version', models.PositiveIntegerField(editable=False, null=True)),
                ('received_at', models.DateTimeField(editable=False)),
                ('agent', models.OneToOneField(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='reported', to='fleet.agent')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='StatusReport',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('body', models.TextField(editable=False)),
                ('received_at', models.DateTimeField(editable=False)),
                ('agent', models.OneToOneField(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='status_report', to='fleet.agent')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddConstraint(
            model_name='agent',
            constraint=models.UniqueConstraint(fields=('studio', 'identity_key'), name='fleet_agent_identity_once'),
        ),
        migrations.AddConstraint(
            model_name='agent',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['pending', 'active', 'replaced', 'revoked'])), name='fleet_agent_known_state'),
        ),
        migrations.AddConstraint(
            model_name='camera',
            constraint=models.UniqueConstraint(fields=('room', 'name'), name='fleet_camera_name_once_per_room'),
        ),
        migrations.AddConstraint(
            model_name='recordingorder',
            constraint=models.UniqueConstraint(fields=('agent', 'class_session_id'), name='fleet_recordingorder_once_per_agent'),
        ),
    ]
