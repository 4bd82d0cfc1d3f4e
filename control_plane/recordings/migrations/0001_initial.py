"""Tables of recordings."""

import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('common', '0001_grants'),
        ('fleet', '0001_initial'),
        ('people', '0001_initial'),
        ('storage', '0001_initial'),
        ('tenancy', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='ClassSession',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('title', models.CharField(max_length=120)),
                ('state', models.CharField(choices=[('requested', 'Starting'), ('recording', 'Recording'), ('finishing', 'Uploading the rest'), ('complete', 'Complete'), ('incomplete', 'Incomplete'), ('empty', 'Nothing was recorded')], default='requested', editable=False, max_length=16)),
                ('requested_at', models.DateTimeField(editable=False)),
                ('requested_by', models.UUIDField(editable=False, null=True)),
                ('started_at', models.DateTimeField(editable=False, null=True)),
                ('stop_requested_at', models.DateTimeField(editable=False, null=True)),
                ('finished_at', models.DateTimeField(editable=False, null=True)),
                ('wrapped_key', models.BinaryField()),
                ('roster_confirmed_at', models.DateTimeField(editable=False, null=True)),
                ('roster_confirmed_by', models.UUIDField(editable=False, null=True)),
                ('fragment_count', models.PositiveIntegerField(default=0, editable=False)),
                ('footage_bytes', models.PositiveBigIntegerField(default=0, editable=False)),
                ('room', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.room')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'verbose_name': 'class',
                'verbose_name_plural': 'classes',
                'ordering': ['-requested_at'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='Appearance',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('confirmed_at', models.DateTimeField(editable=False, null=True)),
                ('confirmed_by', models.UUIDField(editable=False, null=True)),
                ('dancer', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='appearances', to='people.dancer')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='appearances', to='recordings.classsession')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='AgentRecording',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('state', models.CharField(choices=[('waiting', 'Waiting to record'), ('recording', 'Recording'), ('uploading', 'Uploading the rest'), ('done', 'Complete'), ('lost', 'Given up')], default='waiting', editable=False, max_length=16)),
                ('cameras_recording', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('segments_made', models.PositiveIntegerField(default=0, editable=False)),
                ('segments_pending', models.PositiveIntegerField(default=0, editable=False)),
                ('gaps_pending', models.PositiveIntegerField(default=0, editable=False)),
                ('first_picture_at', models.DateTimeField(editable=False, null=True)),
                ('reported_at', models.DateTimeField(editable=False, null=True)),
                ('agent', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fleet.agent')),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='agent_recordings', to='recordings.classsession')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='Replay',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('viewer_id', models.UUIDField(editable=False)),
                ('entry_id', models.UUIDField(editable=False, null=True)),
                ('seen_at', models.DateTimeField(editable=False)),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='replays', to='recordings.classsession')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='Segment',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('camera_id', models.UUIDField(editable=False)),
                ('sequence', models.PositiveBigIntegerField(editable=False)),
                ('run', models.PositiveIntegerField(editable=False)),
                ('object_key', models.CharField(editable=False, max_length=255, unique=True)),
                ('size_bytes', models.PositiveBigIntegerField(editable=False)),
                ('sha256', models.CharField(editable=False, max_length=64)),
                ('wrapped_key', models.BinaryField()),
                ('init_offset_bytes', models.PositiveIntegerField(editable=False)),
                ('init_size_bytes', models.PositiveIntegerField(editable=False)),
                ('init_iv', models.BinaryField(max_length=16)),
                ('init_sha256', models.CharField(editable=False, max_length=64)),
                ('video_codec', models.CharField(editable=False, max_length=8)),
                ('video_codec_string', models.CharField(editable=False, max_length=64)),
                ('width', models.PositiveIntegerField(editable=False)),
                ('height', models.PositiveIntegerField(editable=False)),
                ('fps', models.FloatField(editable=False)),
                ('audio_codec_string', models.CharField(blank=True, editable=False, max_length=64)),
                ('audio_sample_rate_hz', models.PositiveIntegerField(editable=False, null=True)),
                ('audio_channels', models.PositiveSmallIntegerField(editable=False, null=True)),
                ('audio_transcoded_from', models.CharField(blank=True, editable=False, max_length=40)),
                ('clock_method', models.CharField(choices=[('rtcp_sr', 'rtcp_sr'), ('arrival', 'arrival')], editable=False, max_length=16)),
                ('clock_anchor_pts_90k', models.BigIntegerField(editable=False)),
                ('clock_anchor_at', models.DateTimeField(editable=False)),
                ('clock_rate_ppb', models.IntegerField(editable=False)),
                ('clock_error_bound_us', models.PositiveBigIntegerField(editable=False)),
                ('clock_provisional', models.BooleanField(editable=False)),
                ('fragments_json', models.TextField(editable=False)),
                ('closed_at', models.DateTimeField(editable=False)),
                ('recovered', models.BooleanField(default=False, editable=False)),
                ('agent', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fleet.agent')),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='segments', to='recordings.classsession')),
                ('store', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='storage.studiostore')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['track', 'sequence'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='SegmentDamage',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('kind', models.CharField(choices=[('missing', 'Missing'), ('size', 'Wrong size'), ('hash', 'Wrong content')], editable=False, max_length=8)),
                ('detail', models.CharField(editable=False, max_length=200)),
                ('repair', models.CharField(choices=[('open', 'Not requested'), ('asked', 'Requested from the agent'), ('coming', 'Agent is sending it again'), ('lost', 'Agent has no intact copy')], default='open', editable=False, max_length=8)),
                ('answered_at', models.DateTimeField(editable=False, null=True)),
                ('notified_at', models.DateTimeField(editable=False, null=True)),
                ('agent', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fleet.agent')),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='damages', to='recordings.classsession')),
                ('segment', models.OneToOneField(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='damage', to='recordings.segment')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='Track',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('camera_id', models.UUIDField(editable=False)),
                ('name', models.CharField(editable=False, max_length=100)),
                ('position', models.CharField(choices=[('left', 'Left'), ('centre', 'Centre'), ('right', 'Right')], editable=False, max_length=8)),
                ('record_audio', models.BooleanField(default=True, editable=False)),
                ('agent', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fleet.agent')),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='tracks', to='recordings.classsession')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['position', 'name'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddField(
            model_name='segment',
            name='track',
            field=models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='segments', to='recordings.track'),
        ),
        migrations.CreateModel(
            name='Gap',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('from_at', models.DateTimeField(editable=False)),
                ('to_at', models.DateTimeField(editable=False)),
                ('reason', models.CharField(choices=[('camera_late', 'the camera came late'), ('camera_offline', 'camera offline'), ('camera_silent', 'the camera sent nothing'), ('camera_refused', 'the camera refused user or password'), ('camera_unsupported', "the camera's format cannot be recorded"), ('packets_dropped', 'the network or the agent lost pictures'), ('agent_stopped', 'the agent was stopped or restarted'), ('agent_late', 'the agent received the order to record late'), ('clock_step', "the camera's clock was set"), ('disk_full', "the agent's disk was full"), ('disk_error', "the agent's disk failed"), ('segment_corrupt', "footage was damaged on the agent's disk"), ('key_frame', 'recording begins and ends at a key frame'), ('pending', 'still on the agent'), ('unreported', 'missing for an unknown reason'), ('agent_lost', 'the agent was removed before it had uploaded this'), ('store_missing', 'recorded, later lost from the store'), ('store_damaged', 'recorded, later damaged in the store')], editable=False, max_length=24)),
                ('detail', models.TextField(blank=True, editable=False)),
                ('inferred', models.BooleanField(default=False, editable=False)),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='gaps', to='recordings.classsession')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('track', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='gaps', to='recordings.track')),
            ],
            options={
                'ordering': ['track', 'from_at'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddConstraint(
            model_name='classsession',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['requested', 'recording'])), fields=('room',), name='recordings_one_running_class_per_room'),
        ),
        migrations.AddConstraint(
            model_name='classsession',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['requested', 'recording', 'finishing', 'complete', 'incomplete', 'empty'])), name='recordings_class_known_state'),
        ),
        migrations.AddIndex(
            model_name='appearance',
            index=models.Index(fields=['dancer', 'class_session'], name='recordings_appearance_of'),
        ),
        migrations.AddConstraint(
            model_name='appearance',
            constraint=models.UniqueConstraint(fields=('class_session', 'dancer'), name='recordings_appearance_once'),
        ),
        migrations.AddConstraint(
            model_name='agentrecording',
            constraint=models.UniqueConstraint(fields=('class_session', 'agent'), name='recordings_agentrecording_once'),
        ),
        migrations.AddIndex(
            model_name='replay',
            index=models.Index(fields=['class_session', 'viewer_id', '-seen_at'], name='recordings_replay_latest'),
        ),
        migrations.AddIndex(
            model_name='segmentdamage',
            index=models.Index(fields=['agent', 'repair'], name='recordings_damage_repair'),
        ),
        migrations.AddConstraint(
            model_name='track',
            constraint=models.UniqueConstraint(fields=('class_session', 'camera_id'), name='recordings_track_once_per_camera'),
        ),
        migrations.AddIndex(
            model_name='segment',
            index=models.Index(fields=['class_session', 'track', 'sequence'], name='recordings_segment_play'),
        ),
        migrations.AddIndex(
            model_name='segment',
            index=models.Index(fields=['studio', 'store', 'id'], include=('size_bytes',), name='recordings_segment_store'),
        ),
        migrations.AddConstraint(
            model_name='segment',
            constraint=models.UniqueConstraint(fields=('agent', 'camera_id', 'sequence'), name='recordings_segment_sequence_once'),
        ),
    ]
