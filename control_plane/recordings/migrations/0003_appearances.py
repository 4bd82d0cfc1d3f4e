"""Who was in a class; and the words of gap reasons, which the state had fallen behind on."""

import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):

    dependencies = [
        ('recordings', '0002_row_security'),
        ('studios', '0003_dancers'),
    ]

    operations = [
        migrations.AddField(
            model_name='classsession',
            name='roster_confirmed_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='classsession',
            name='roster_confirmed_by',
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='gap',
            name='reason',
            field=models.CharField(choices=[('camera_late', 'the camera came late'), ('camera_offline', 'camera offline'), ('camera_silent', 'the camera sent nothing'), ('camera_refused', 'the camera refused user or password'), ('camera_unsupported', "the camera's format cannot be recorded"), ('packets_dropped', 'the network or the box lost pictures'), ('agent_stopped', 'the box was stopped or restarted'), ('agent_late', 'the box heard of the class late'), ('clock_step', "the camera's clock was set"), ('disk_full', "the box's disk was full"), ('disk_error', "the box's disk failed"), ('segment_corrupt', "footage was damaged on the box's disk"), ('key_frame', 'recording begins and ends at a key frame'), ('pending', 'still on the box'), ('unreported', 'missing, and nobody said why'), ('agent_lost', 'the box was given up before it had uploaded this')], editable=False, max_length=24),
        ),
        migrations.CreateModel(
            name='Appearance',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('confirmed_at', models.DateTimeField(editable=False, null=True)),
                ('confirmed_by', models.UUIDField(editable=False, null=True)),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='appearances', to='recordings.classsession')),
                ('dancer', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='appearances', to='studios.dancer')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'indexes': [models.Index(fields=['dancer', 'class_session'], name='recordings_appearance_of')],
                'constraints': [models.UniqueConstraint(fields=('class_session', 'dancer'), name='recordings_appearance_once')],
            },
        ),
        ForceRowSecurity('Appearance'),
    ]
