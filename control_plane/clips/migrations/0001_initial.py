"""Tables of clips."""

import django.contrib.postgres.fields
import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('people', '0004_consent_security'),
        ('recordings', '0005_kept_segments'),
        ('tenancy', '0002_row_security'),
    ]

    operations = [
        migrations.CreateModel(
            name='Clip',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('title', models.CharField(max_length=120)),
                ('created_by', models.UUIDField(editable=False)),
                ('track_ids', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), editable=False, size=None)),
                ('from_at', models.DateTimeField(editable=False)),
                ('to_at', models.DateTimeField(editable=False)),
                ('expires_at', models.DateTimeField(editable=False)),
                ('has_chosen_dancers', models.BooleanField(default=False, editable=False)),
                ('timeline_json', models.TextField(editable=False)),
                ('wrapped_key', models.BinaryField()),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='recordings.classsession')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='ClipDancer',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('clip', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='dancers', to='clips.clip')),
                ('dancer', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='people.dancer')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='ClipReplay',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('viewer_id', models.UUIDField(editable=False)),
                ('entry_id', models.UUIDField(editable=False)),
                ('seen_at', models.DateTimeField(editable=False)),
                ('clip', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='clips.clip')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='ClipSegment',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('wrapped_key', models.BinaryField()),
                ('clip', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='segments', to='clips.clip')),
                ('segment', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='recordings.segment')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddIndex(
            model_name='clip',
            index=models.Index(fields=['class_session', '-created_at'], name='clips_clip_of_class'),
        ),
        migrations.AddIndex(
            model_name='clip',
            index=models.Index(fields=['studio', '-created_at'], name='clips_clip_of_studio'),
        ),
        migrations.AddConstraint(
            model_name='clip',
            constraint=models.CheckConstraint(condition=models.Q(('from_at__lt', models.F('to_at'))), name='clips_clip_ends_after_its_start'),
        ),
        migrations.AddConstraint(
            model_name='clipdancer',
            constraint=models.UniqueConstraint(fields=('clip', 'dancer'), name='clips_clipdancer_once'),
        ),
        migrations.AddIndex(
            model_name='clipreplay',
            index=models.Index(fields=['clip', 'viewer_id', '-seen_at'], name='clips_replay_latest'),
        ),
        migrations.AddConstraint(
            model_name='clipsegment',
            constraint=models.UniqueConstraint(fields=('clip', 'segment'), name='clips_clipsegment_once'),
        ),
    ]
