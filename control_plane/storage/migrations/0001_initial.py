"""Tables of storage."""

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
                ('encryption', models.CharField(choices=[('none', 'None'), ('sse-s3', "With the store's own key (SSE-S3)"), ('sse-kms', 'With a key of your key service (SSE-KMS)')], default='none', max_length=8)),
                ('kms_key_id', models.CharField(blank=True, max_length=256)),
                ('revision', models.PositiveIntegerField(default=1, editable=False)),
                ('seen_region', models.CharField(blank=True, editable=False, max_length=64)),
                ('direct_reads', models.BooleanField(default=False, editable=False)),
                ('retired_at', models.DateTimeField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
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
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('store', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='storage.studiostore')),
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
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('store', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='probes', to='storage.studiostore')),
            ],
            options={
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='StoreMigration',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('lease_token', models.UUIDField(editable=False, null=True)),
                ('lease_until', models.DateTimeField(editable=False, null=True)),
                ('heartbeat_at', models.DateTimeField(editable=False, null=True)),
                ('state', models.CharField(choices=[('copying', 'Copying'), ('grace', 'Copied; old copies are kept for now'), ('done', 'Done'), ('cancelled', 'Cancelled')], default='copying', editable=False, max_length=10)),
                ('remainder_only', models.BooleanField(default=False, editable=False)),
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
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('source', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='storage.studiostore')),
                ('target', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='storage.studiostore')),
            ],
            options={
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='ObjectDeletion',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('object_key', models.CharField(editable=False, max_length=255)),
                ('reason', models.CharField(choices=[('moved', 'Migrated to another store'), ('replaced', 'Announced again for another store'), ('never_sent', 'Announced and never committed'), ('quarantined', 'Belongs to a quarantined segment'), ('shredded', 'Belongs to a destroyed class'), ('unfinished', 'Unfinished copy of a migration')], editable=False, max_length=12)),
                ('due_at', models.DateTimeField(editable=False, null=True)),
                ('claimed_at', models.DateTimeField(editable=False, null=True)),
                ('tries', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('error', models.TextField(blank=True, editable=False)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('migration', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='deletions', to='storage.storemigration')),
                ('store', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='storage.studiostore')),
            ],
            options={
                'ordering': ['due_at'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='MigrationFailure',
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
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('migration', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='failures', to='storage.storemigration')),
            ],
            options={
                'ordering': ['created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('migration', 'segment_id'), name='storage_migrationfailure_once')],
            },
        ),
        migrations.AddConstraint(
            model_name='studiostore',
            constraint=models.UniqueConstraint(fields=('studio', 'name'), name='storage_store_name_once'),
        ),
        migrations.AddConstraint(
            model_name='studiostore',
            constraint=models.CheckConstraint(condition=models.Q(('encryption__in', ['none', 'sse-s3', 'sse-kms'])), name='storage_store_known_encryption'),
        ),
        migrations.AddConstraint(
            model_name='studiostorage',
            constraint=models.UniqueConstraint(fields=('studio',), name='storage_storage_once_per_studio'),
        ),
        migrations.AddIndex(
            model_name='storeprobe',
            index=models.Index(fields=['studio', 'store', '-created_at'], name='storage_probe_latest'),
        ),
        migrations.AddConstraint(
            model_name='storemigration',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'copying')), fields=('studio',), name='storage_one_migration_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='storemigration',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['copying', 'grace', 'done', 'cancelled'])), name='storage_migration_known_state'),
        ),
        migrations.AddIndex(
            model_name='objectdeletion',
            index=models.Index(fields=['studio', 'due_at'], name='storage_deletion_due'),
        ),
        migrations.AddConstraint(
            model_name='objectdeletion',
            constraint=models.UniqueConstraint(fields=('store', 'object_key'), name='storage_deletion_once', nulls_distinct=False),
        ),
    ]
