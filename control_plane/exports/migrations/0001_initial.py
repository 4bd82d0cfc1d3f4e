"""Tables of exports."""

import django.contrib.postgres.fields
import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('recordings', '0004_timetable_security'),
        ('storage', '0002_row_security'),
        ('tenancy', '0002_row_security'),
    ]

    operations = [
        migrations.CreateModel(
            name='Export',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('lease_token', models.UUIDField(editable=False, null=True)),
                ('lease_until', models.DateTimeField(editable=False, null=True)),
                ('heartbeat_at', models.DateTimeField(editable=False, null=True)),
                ('requested_by', models.UUIDField(editable=False)),
                ('approved_by', models.UUIDField(editable=False, null=True)),
                ('track_ids', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), editable=False, size=None)),
                ('from_at', models.DateTimeField(editable=False, null=True)),
                ('to_at', models.DateTimeField(editable=False, null=True)),
                ('whole_fragments', models.BooleanField(default=False, editable=False)),
                ('side_by_side', models.BooleanField(default=False, editable=False)),
                ('burn_in_time', models.BooleanField(default=False, editable=False)),
                ('with_roster', models.BooleanField(default=False, editable=False)),
                ('state', models.CharField(choices=[('waiting', 'Waits for approval'), ('queued', 'Queued'), ('running', 'Running'), ('ready', 'Ready'), ('failed', 'Failed'), ('cancelled', 'Cancelled'), ('expired', 'Expired')], default='waiting', editable=False, max_length=10)),
                ('failure', models.CharField(blank=True, choices=[('refused', 'Not allowed any more: a permission, a consent or a rule has changed.'), ('damaged', 'A part of the footage is damaged. Choose another part or camera.'), ('empty', 'There is no footage in this part.'), ('store', 'The store of footage did not answer. Try again later.'), ('broken', 'It could not be written. Try another part or camera.')], editable=False, max_length=8)),
                ('attempts', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('retry_at', models.DateTimeField(editable=False, null=True)),
                ('wrapped_key', models.BinaryField()),
                ('wrapped_content_key', models.BinaryField(default=b'')),
                ('done_bytes', models.PositiveBigIntegerField(default=0, editable=False)),
                ('total_bytes', models.PositiveBigIntegerField(default=0, editable=False)),
                ('size_bytes', models.PositiveBigIntegerField(default=0, editable=False)),
                ('downloads', models.PositiveIntegerField(default=0, editable=False)),
                ('finished_at', models.DateTimeField(editable=False, null=True)),
                ('expires_at', models.DateTimeField(editable=False, null=True)),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='recordings.classsession')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='ExportPart',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('number', models.PositiveIntegerField(editable=False)),
                ('object_key', models.CharField(editable=False, max_length=255)),
                ('size_bytes', models.PositiveIntegerField(default=0, editable=False)),
                ('plain_bytes', models.PositiveIntegerField(default=0, editable=False)),
                ('sha256', models.CharField(blank=True, editable=False, max_length=64)),
                ('export', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='parts', to='exports.export')),
                ('store', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='storage.studiostore')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['export', 'number'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddIndex(
            model_name='export',
            index=models.Index(fields=['studio', 'state'], name='exports_of_state'),
        ),
        migrations.AddIndex(
            model_name='export',
            index=models.Index(fields=['class_session', '-created_at'], name='exports_of_class'),
        ),
        migrations.AddConstraint(
            model_name='exportpart',
            constraint=models.UniqueConstraint(fields=('export', 'number'), name='exports_part_once'),
        ),
    ]
