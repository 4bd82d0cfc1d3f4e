"""Tables of retention."""

import django.core.validators
import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('recordings', '0004_timetable_security'),
        ('tenancy', '0002_row_security'),
    ]

    operations = [
        migrations.CreateModel(
            name='RetentionRun',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('lease_token', models.UUIDField(editable=False, null=True)),
                ('lease_until', models.DateTimeField(editable=False, null=True)),
                ('heartbeat_at', models.DateTimeField(editable=False, null=True)),
                ('state', models.CharField(choices=[('running', 'Running'), ('waiting', 'Waits for confirmation'), ('done', 'Finished'), ('cancelled', 'Cancelled')], default='waiting', editable=False, max_length=12)),
                ('stop_reason', models.CharField(blank=True, choices=[('too_much', "It would delete a large part of the studio's recordings."), ('clock', 'The clock of the server may be wrong.')], editable=False, max_length=12)),
                ('planned_at', models.DateTimeField(editable=False)),
                ('requested_by', models.UUIDField(editable=False, null=True)),
                ('confirmed_by', models.UUIDField(editable=False, null=True)),
                ('due_classes', models.PositiveIntegerField(editable=False)),
                ('due_bytes', models.PositiveBigIntegerField(editable=False)),
                ('total_classes', models.PositiveIntegerField(editable=False)),
                ('total_bytes', models.PositiveBigIntegerField(editable=False)),
                ('done_classes', models.PositiveIntegerField(default=0, editable=False)),
                ('kept_classes', models.PositiveIntegerField(default=0, editable=False)),
                ('finished_at', models.DateTimeField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'verbose_name': 'retention run',
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='RetentionRunItem',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('class_session_id', models.UUIDField(editable=False)),
                ('due_at', models.DateTimeField(editable=False)),
                ('days', models.PositiveSmallIntegerField(editable=False, null=True)),
                ('rule_id', models.UUIDField(editable=False, null=True)),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('deleted', 'Deleted'), ('kept', 'Kept')], default='pending', editable=False, max_length=8)),
                ('why', models.CharField(blank=True, editable=False, max_length=12)),
                ('run', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='items', to='retention.retentionrun')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['due_at', 'id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='RetentionHold',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('kind', models.CharField(choices=[('legal', 'Legal hold'), ('manual', 'Kept by a person')], max_length=8)),
                ('reason', models.CharField(max_length=300)),
                ('owner_id', models.UUIDField(editable=False)),
                ('ends_at', models.DateTimeField(blank=True, null=True)),
                ('lifted_at', models.DateTimeField(editable=False, null=True)),
                ('lifted_by', models.UUIDField(editable=False, null=True)),
                ('class_session', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='recordings.classsession')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'indexes': [models.Index(fields=['studio', 'lifted_at'], name='retention_hold_open')],
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at__isnull', False), ('kind', 'legal'), _connector='OR'), name='retention_hold_manual_ends')],
            },
        ),
        migrations.CreateModel(
            name='RetentionPolicy',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('preset', models.CharField(choices=[('uk_eu', 'United Kingdom and European Union'), ('us_coppa', 'United States (COPPA)'), ('none', 'No preset')], default='uk_eu', max_length=12)),
                ('minors_days', models.PositiveSmallIntegerField(default=7, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)])),
                ('adults_days', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)])),
                ('confirmed_at', models.DateTimeField(editable=False)),
                ('confirmed_by', models.UUIDField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'verbose_name_plural': 'retention policies',
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio',), name='retention_policy_once')],
            },
        ),
        migrations.CreateModel(
            name='RetentionRule',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('kind', models.CharField(choices=[('footage', 'Recordings'), ('clips', 'Clips')], default='footage', max_length=16)),
                ('days', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)])),
                ('adults_only', models.BooleanField(default=False)),
                ('class_type', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='recordings.classtype')),
                ('room', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.room')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio', 'kind', 'room', 'class_type', 'adults_only'), name='retention_rule_once', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('days__isnull', False), ('adults_only', True), _connector='OR'), name='retention_rule_minors_end')],
            },
        ),
        migrations.AddConstraint(
            model_name='retentionrun',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['running', 'waiting'])), fields=('studio',), name='retention_one_open_run'),
        ),
        migrations.AddConstraint(
            model_name='retentionrunitem',
            constraint=models.UniqueConstraint(fields=('run', 'class_session_id'), name='retention_item_once'),
        ),
    ]
