"""Keys by which programs act for members."""

import django.db.models.deletion
import shared.protocol.ids
from django.conf import settings
from django.db import migrations, models

from control_plane.common.rls import ForceRowSecurity, Reach, setting


class Migration(migrations.Migration):

    dependencies = [
        ('studios', '0007_access'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('name', models.CharField(max_length=80)),
                ('shown', models.CharField(editable=False, max_length=12)),
                ('secret_sha256', models.BinaryField(unique=True)),
                ('actions', models.JSONField(default=list)),
                ('expires_at', models.DateTimeField()),
                ('last_used_at', models.DateTimeField(editable=False, null=True)),
                ('revoked_at', models.DateTimeField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
                ('user', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'API key',
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
            },
        ),
        # A program is known by its key before it is known which studio's it is.
        ForceRowSecurity(
            'ApiKey',
            reach=[Reach('by_hash', f"encode(secret_sha256, 'hex') = {setting('api_key_hash', 'text')}")],
        ),
    ]
