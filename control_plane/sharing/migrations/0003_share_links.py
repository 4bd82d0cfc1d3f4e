"""Share links, their views and wrong PINs."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.manager
import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('recordings', '0004_timetable_security'),
        ('sharing', '0002_row_security'),
        ('tenancy', '0002_row_security'),
    ]

    operations = [
        migrations.CreateModel(
            name='ShareLink',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('public_id', models.CharField(editable=False, max_length=16, unique=True)),
                ('created_by', models.UUIDField(editable=False)),
                ('title', models.CharField(max_length=120)),
                ('secret_sha256', models.BinaryField(max_length=32)),
                ('pin_hash', models.CharField(blank=True, editable=False, max_length=160)),
                ('pin_failures', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('track_ids', django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), editable=False, size=None)),
                ('from_at', models.DateTimeField(editable=False, null=True)),
                ('to_at', models.DateTimeField(editable=False, null=True)),
                ('expires_at', models.DateTimeField(editable=False)),
                ('max_views', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(10000)])),
                ('views', models.PositiveIntegerField(default=0, editable=False)),
                ('revoked_at', models.DateTimeField(editable=False, null=True)),
                ('revoked_by', models.UUIDField(editable=False, null=True)),
                ('class_session', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='recordings.classsession')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
            managers=[
                ('reachable', django.db.models.manager.Manager()),
                ('objects', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='PinFailures',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('network_hash', models.CharField(blank=True, editable=False, max_length=16)),
                ('failures', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('tried_at', models.DateTimeField(editable=False)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('link', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='sharing.sharelink')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='ShareView',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('token_sha256', models.BinaryField(max_length=32, unique=True)),
                ('network', models.CharField(blank=True, editable=False, max_length=64)),
                ('expires_at', models.DateTimeField(editable=False)),
                ('seen_at', models.DateTimeField(editable=False)),
                ('entry_id', models.UUIDField(editable=False)),
                ('link', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='opened', to='sharing.sharelink')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddIndex(
            model_name='sharelink',
            index=models.Index(fields=['class_session', '-created_at'], name='sharing_link_of_class'),
        ),
        migrations.AddIndex(
            model_name='sharelink',
            index=models.Index(fields=['studio', '-created_at'], name='sharing_link_of_studio'),
        ),
        migrations.AddConstraint(
            model_name='pinfailures',
            constraint=models.UniqueConstraint(fields=('link', 'network_hash'), name='sharing_pinfailures_once'),
        ),
        migrations.AddIndex(
            model_name='shareview',
            index=models.Index(fields=['link', '-created_at'], name='sharing_view_of_link'),
        ),
    ]
