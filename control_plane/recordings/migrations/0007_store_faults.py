"""Segments whose objects are damaged or missing, and how far the check of each store is."""

import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):

    dependencies = [
        ('fleet', '0002_row_security'),
        ('recordings', '0006_replay_entry'),
        ('studios', '0011_provided_lapse'),
    ]

    operations = [
        migrations.AlterField(
            model_name='gap',
            name='reason',
            field=models.CharField(choices=[('camera_late', 'the camera came late'), ('camera_offline', 'camera offline'), ('camera_silent', 'the camera sent nothing'), ('camera_refused', 'the camera refused user or password'), ('camera_unsupported', "the camera's format cannot be recorded"), ('packets_dropped', 'the network or the box lost pictures'), ('agent_stopped', 'the box was stopped or restarted'), ('agent_late', 'the box heard of the class late'), ('clock_step', "the camera's clock was set"), ('disk_full', "the box's disk was full"), ('disk_error', "the box's disk failed"), ('segment_corrupt', "footage was damaged on the box's disk"), ('key_frame', 'recording begins and ends at a key frame'), ('pending', 'still on the box'), ('unreported', 'missing, and nobody said why'), ('agent_lost', 'the box was given up before it had uploaded this'), ('store_missing', 'recorded, and lost from the store since'), ('store_damaged', 'recorded, and damaged in the store since')], editable=False, max_length=24),
        ),
        migrations.CreateModel(
            name='SegmentFault',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('kind', models.CharField(choices=[('missing', 'Missing'), ('size', 'Of another size'), ('hash', 'Other bytes')], editable=False, max_length=8)),
                ('detail', models.CharField(editable=False, max_length=200)),
                ('repair', models.CharField(choices=[('open', 'Not asked for'), ('asked', 'Its box is asked for it'), ('coming', 'Its box sends it again'), ('lost', 'Its box has no good copy')], default='open', editable=False, max_length=8)),
                ('answered_at', models.DateTimeField(editable=False, null=True)),
                ('agent', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fleet.agent')),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='faults', to='recordings.classsession')),
                ('segment', models.OneToOneField(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='fault', to='recordings.segment')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
            ],
            options={
                'ordering': ['created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'indexes': [models.Index(fields=['agent', 'repair'], name='recordings_fault_asked')],
            },
        ),
        migrations.CreateModel(
            name='StoreRound',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('depth', models.CharField(choices=[('presence', 'Is it there'), ('size', 'Is it whole'), ('hash', 'Is it what was written')], editable=False, max_length=8)),
                ('after', models.UUIDField(editable=False, null=True)),
                ('begun_at', models.DateTimeField(editable=False)),
                ('finished_at', models.DateTimeField(editable=False, null=True)),
                ('store', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='studios.studiostore')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio', 'store', 'depth'), name='recordings_round_once', nulls_distinct=False)],
            },
        ),
        ForceRowSecurity('SegmentFault'),
        ForceRowSecurity('StoreRound'),
    ]
