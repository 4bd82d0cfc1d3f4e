"""Tables of integrity."""

import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('common', '0001_grants'),
        ('storage', '0001_initial'),
        ('tenancy', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='IntegrityScan',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('depth', models.CharField(choices=[('presence', 'Presence'), ('size', 'Size'), ('hash', 'Hash')], editable=False, max_length=8)),
                ('after', models.UUIDField(editable=False, null=True)),
                ('begun_at', models.DateTimeField(editable=False)),
                ('finished_at', models.DateTimeField(editable=False, null=True)),
                ('store', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='storage.studiostore')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio', 'store', 'depth'), name='integrity_scan_once', nulls_distinct=False)],
            },
        ),
    ]
