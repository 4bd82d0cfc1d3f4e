"""Tables of keys."""

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
            name='PlatformSecret',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('name', models.CharField(editable=False, max_length=40, unique=True)),
                ('root_key_id', models.CharField(editable=False, max_length=200)),
                ('wrapped', models.BinaryField()),
            ],
            options={
                'verbose_name': 'platform secret',
                'verbose_name_plural': 'platform secrets',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='KeyTombstone',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('kind', models.CharField(choices=[('class', 'A class'), ('generation', "A retired generation of the studio's keys"), ('studio', 'The whole studio')], editable=False, max_length=12)),
                ('object_id', models.UUIDField(editable=False)),
                ('reason', models.CharField(blank=True, editable=False, max_length=300)),
                ('actor_kind', models.CharField(editable=False, max_length=16)),
                ('actor_id', models.UUIDField(editable=False, null=True)),
                ('share_destroyed_at', models.DateTimeField(editable=False, null=True)),
                ('removed_at', models.DateTimeField(editable=False, null=True)),
                ('failures', models.PositiveIntegerField(default=0, editable=False)),
                ('error', models.CharField(blank=True, editable=False, max_length=300)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('kind', 'object_id'), name='keys_keytombstone_one_per_object')],
            },
        ),
        migrations.CreateModel(
            name='StudioKey',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('root_key_id', models.CharField(editable=False, max_length=200)),
                ('wrapped_key', models.BinaryField()),
                ('public_key', models.BinaryField(max_length=32)),
                ('wrapped_private_key', models.BinaryField()),
                ('has_share', models.BooleanField(default=False, editable=False)),
                ('retired_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('destroyed_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(condition=models.Q(('retired_at__isnull', True)), fields=('studio',), name='keys_studiokey_one_current')],
            },
        ),
    ]
