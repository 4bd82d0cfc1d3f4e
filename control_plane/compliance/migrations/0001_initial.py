"""Tables of compliance."""

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
            name='Checkpoint',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('number', models.BigIntegerField(editable=False, unique=True)),
                ('taken_at', models.DateTimeField(editable=False)),
                ('sha256', models.CharField(editable=False, max_length=64)),
                ('body', models.TextField(editable=False)),
            ],
            options={
                'ordering': ['-number'],
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('rule', models.CharField(editable=False, max_length=32)),
                ('person_id', models.UUIDField(editable=False, null=True)),
                ('occasion', models.CharField(editable=False, max_length=120)),
                ('raised_at', models.DateTimeField(editable=False)),
                ('sequence', models.BigIntegerField(default=0, editable=False)),
                ('facts', models.JSONField(default=dict, editable=False)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['-raised_at', '-id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='AlertAcknowledgement',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('acknowledged_by', models.UUIDField(editable=False)),
                ('note', models.CharField(blank=True, editable=False, max_length=500)),
                ('alert', models.OneToOneField(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='acknowledgement', to='compliance.alert')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='AlertNotice',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('recipients', models.PositiveSmallIntegerField(editable=False)),
                ('alert', models.OneToOneField(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='notice', to='compliance.alert')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='CheckpointCopy',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('sink', models.CharField(editable=False, max_length=200)),
                ('checkpoint', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='copies', to='compliance.checkpoint')),
            ],
            options={
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='KnownNetwork',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('person_id', models.UUIDField(editable=False)),
                ('network', models.CharField(editable=False, max_length=16)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='AnomalyCursor',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('sequence', models.BigIntegerField(default=0, editable=False)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='AnomalyThresholds',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('classes_per_hour', models.PositiveIntegerField(default=12, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1000)], verbose_name='different classes by one person within an hour')),
                ('night_from_hour', models.PositiveIntegerField(default=22, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(23)], verbose_name='night begins at (hour)')),
                ('night_to_hour', models.PositiveIntegerField(default=6, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(23)], verbose_name='night ends at (hour)')),
                ('watch_nights', models.BooleanField(default=True, verbose_name='reads of footage at night')),
                ('watch_networks', models.BooleanField(default=True, verbose_name='the first read from a new network')),
                ('watch_other_families', models.BooleanField(default=True, verbose_name='a family that opens a class without its dancers')),
                ('watch_break_glass', models.BooleanField(default=True, verbose_name='support staff that opens the studio')),
                ('failed_signins_per_hour', models.PositiveIntegerField(default=10, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1000)], verbose_name='failed sign-ins to one account within an hour')),
                ('exports_per_hour', models.PositiveIntegerField(default=5, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1000)], verbose_name='exports by one person within an hour')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'verbose_name_plural': 'anomaly thresholds',
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(fields=['studio', '-raised_at'], name='compliance_alert_latest'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.UniqueConstraint(fields=('studio', 'occasion'), name='compliance_alert_once'),
        ),
        migrations.AddConstraint(
            model_name='checkpointcopy',
            constraint=models.UniqueConstraint(fields=('checkpoint', 'sink'), name='compliance_copy_once'),
        ),
        migrations.AddConstraint(
            model_name='knownnetwork',
            constraint=models.UniqueConstraint(fields=('studio', 'person_id', 'network'), name='compliance_network_once'),
        ),
        migrations.AddConstraint(
            model_name='anomalycursor',
            constraint=models.UniqueConstraint(fields=('studio',), name='compliance_anomaly_cursor_once'),
        ),
        migrations.AddConstraint(
            model_name='anomalythresholds',
            constraint=models.UniqueConstraint(fields=('studio',), name='compliance_anomaly_thresholds_once'),
        ),
    ]
