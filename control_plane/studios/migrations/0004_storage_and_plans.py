"""Stores of a studio's own, the way between them, plans and what is used of them."""

import django.core.validators
import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):

    dependencies = [
        ('studios', '0003_dancers'),
    ]

    operations = [
        migrations.CreateModel(
            name='Plan',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('slug', models.SlugField(max_length=40, unique=True)),
                ('name', models.CharField(max_length=80)),
                ('agents', models.PositiveIntegerField(blank=True, null=True)),
                ('cameras', models.PositiveIntegerField(blank=True, null=True)),
                ('members', models.PositiveIntegerField(blank=True, null=True)),
                ('storage_bytes', models.PositiveBigIntegerField(blank=True, null=True)),
                ('analyses_per_month', models.PositiveIntegerField(blank=True, null=True)),
                ('api_per_minute', models.PositiveIntegerField(blank=True, null=True)),
                ('soft_percent', models.PositiveSmallIntegerField(default=80, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100)])),
                ('contact', models.CharField(blank=True, max_length=120)),
                ('is_default', models.BooleanField(default=False)),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('is_default',), name='studios_plan_one_default')],
            },
        ),
        migrations.CreateModel(
            name='StudioStore',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('name', models.CharField(max_length=80)),
                ('endpoint', models.URLField()),
                ('bucket', models.CharField(max_length=63, validators=[django.core.validators.RegexValidator('^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$', 'A bucket name such as footage-2026.')])),
                ('region', models.CharField(max_length=40, validators=[django.core.validators.RegexValidator('^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$', 'A region such as eu-central-1.')])),
                ('prefix', models.CharField(blank=True, max_length=100, validators=[django.core.validators.RegexValidator('^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*$', 'Empty, or folders that each end in a slash: dance/')])),
                ('access_key', models.CharField(max_length=128)),
                ('wrapped_secret', models.BinaryField()),
                ('ca_pem', models.TextField(blank=True, max_length=20000)),
                ('encryption', models.CharField(choices=[('none', 'Nothing more'), ('sse-s3', "With the store's own key (SSE-S3)"), ('sse-kms', 'With a key of your key service (SSE-KMS)')], default='none', max_length=8)),
                ('kms_key_id', models.CharField(blank=True, max_length=256)),
                ('revision', models.PositiveIntegerField(default=1, editable=False)),
                ('seen_region', models.CharField(blank=True, editable=False, max_length=64)),
                ('direct_reads', models.BooleanField(default=False, editable=False)),
                ('retired_at', models.DateTimeField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
            ],
            options={
                'ordering': ['created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='StudioStorage',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('region', models.CharField(blank=True, max_length=40, validators=[django.core.validators.RegexValidator('^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$', 'A region such as eu-central-1.')])),
                ('warned_at', models.DateTimeField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
                ('store', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studiostore')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='StoreProbe',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('lease_token', models.UUIDField(editable=False, null=True)),
                ('lease_until', models.DateTimeField(editable=False, null=True)),
                ('heartbeat_at', models.DateTimeField(editable=False, null=True)),
                ('revision', models.PositiveIntegerField(default=0, editable=False)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('running', 'Running'), ('passed', 'Fit'), ('warned', 'Fit, with warnings'), ('refused', 'Not fit')], default='waiting', editable=False, max_length=8)),
                ('step', models.CharField(blank=True, editable=False, max_length=40)),
                ('findings', models.JSONField(default=list, editable=False)),
                ('requested_by', models.UUIDField(editable=False, null=True)),
                ('finished_at', models.DateTimeField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
                ('store', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='probes', to='studios.studiostore')),
            ],
            options={
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='StoreMove',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('lease_token', models.UUIDField(editable=False, null=True)),
                ('lease_until', models.DateTimeField(editable=False, null=True)),
                ('heartbeat_at', models.DateTimeField(editable=False, null=True)),
                ('state', models.CharField(choices=[('copying', 'Copying'), ('grace', 'Copied; old copies are kept for now'), ('done', 'Done'), ('cancelled', 'Cancelled')], default='copying', editable=False, max_length=10)),
                ('total_segments', models.PositiveIntegerField(default=0, editable=False)),
                ('total_bytes', models.PositiveBigIntegerField(default=0, editable=False)),
                ('moved_segments', models.PositiveIntegerField(default=0, editable=False)),
                ('moved_bytes', models.PositiveBigIntegerField(default=0, editable=False)),
                ('error', models.TextField(blank=True, editable=False)),
                ('tries', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('retry_at', models.DateTimeField(editable=False, null=True)),
                ('copied_at', models.DateTimeField(editable=False, null=True)),
                ('finished_at', models.DateTimeField(editable=False, null=True)),
                ('requested_by', models.UUIDField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
                ('source', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studiostore')),
                ('target', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studiostore')),
            ],
            options={
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='Disposal',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('object_key', models.CharField(editable=False, max_length=255)),
                ('reason', models.CharField(choices=[('moved', 'Lies in another store now'), ('replaced', 'Was announced again for another store'), ('never_sent', 'Was announced and never committed'), ('quarantined', 'Belongs to a segment that was set aside')], editable=False, max_length=12)),
                ('due_at', models.DateTimeField(editable=False, null=True)),
                ('claimed_at', models.DateTimeField(editable=False, null=True)),
                ('tries', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('error', models.TextField(blank=True, editable=False)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
                ('move', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='disposals', to='studios.storemove')),
                ('store', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studiostore')),
            ],
            options={
                'ordering': ['due_at'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='MonthlyUse',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('limit', models.CharField(choices=[('agents', 'Boxes'), ('cameras', 'Cameras'), ('members', 'People'), ('storage_bytes', 'Storage with us'), ('analyses_per_month', 'Analyses this month'), ('api_per_minute', 'API requests a minute')], editable=False, max_length=24)),
                ('month', models.DateField(editable=False)),
                ('count', models.PositiveIntegerField(default=0, editable=False)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio', 'limit', 'month'), name='studios_monthlyuse_once')],
            },
        ),
        migrations.CreateModel(
            name='MoveFault',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('segment_id', models.UUIDField(editable=False)),
                ('object_key', models.CharField(editable=False, max_length=255)),
                ('code', models.CharField(editable=False, max_length=40)),
                ('detail', models.TextField(blank=True, editable=False)),
                ('tries', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('retry_at', models.DateTimeField(editable=False)),
                ('given_up', models.BooleanField(default=False, editable=False)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
                ('move', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='faults', to='studios.storemove')),
            ],
            options={
                'ordering': ['created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('move', 'segment_id'), name='studios_movefault_once')],
            },
        ),
        migrations.CreateModel(
            name='StudioPlan',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('overrides', models.JSONField(blank=True, default=dict)),
                ('note', models.CharField(blank=True, max_length=200)),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.plan')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio',), name='studios_plan_once_per_studio')],
            },
        ),
        migrations.AddConstraint(
            model_name='studiostore',
            constraint=models.UniqueConstraint(fields=('studio', 'name'), name='studios_store_name_once'),
        ),
        migrations.AddConstraint(
            model_name='studiostore',
            constraint=models.CheckConstraint(condition=models.Q(('encryption__in', ['none', 'sse-s3', 'sse-kms'])), name='studios_store_known_encryption'),
        ),
        migrations.AddConstraint(
            model_name='studiostorage',
            constraint=models.UniqueConstraint(fields=('studio',), name='studios_storage_once_per_studio'),
        ),
        migrations.AddIndex(
            model_name='storeprobe',
            index=models.Index(fields=['studio', 'store', '-created_at'], name='studios_probe_latest'),
        ),
        migrations.AddConstraint(
            model_name='storemove',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'copying')), fields=('studio',), name='studios_one_move_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='storemove',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['copying', 'grace', 'done', 'cancelled'])), name='studios_move_known_state'),
        ),
        migrations.AddIndex(
            model_name='disposal',
            index=models.Index(fields=['studio', 'due_at'], name='studios_disposal_due'),
        ),
        migrations.AddConstraint(
            model_name='disposal',
            constraint=models.UniqueConstraint(fields=('store', 'object_key'), name='studios_disposal_once', nulls_distinct=False),
        ),
        ForceRowSecurity("StudioStore"),
        ForceRowSecurity("StudioStorage"),
        ForceRowSecurity("StoreProbe"),
        ForceRowSecurity("StoreMove"),
        ForceRowSecurity("MoveFault"),
        ForceRowSecurity("Disposal"),
        ForceRowSecurity("StudioPlan"),
        ForceRowSecurity("MonthlyUse"),
    ]
