"""Keys have a half on the shelf, generations an end, and what is destroyed a tombstone."""

import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models

from control_plane.common.rls import ForceRowSecurity


class Migration(migrations.Migration):

    dependencies = [('studios', '0004_storage_and_plans')]

    operations = [
        migrations.AlterField('studiokey', 'root_key_id', models.CharField(editable=False, max_length=200)),
        migrations.AddField('studiokey', 'shelved', models.BooleanField(default=False, editable=False)),
        migrations.AddField('studiokey', 'destroyed_at', models.DateTimeField(blank=True, editable=False, null=True)),
        migrations.CreateModel(
            name='KeyTombstone',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('what', models.CharField(choices=[('class', 'A class'), ('generation', "A retired generation of the studio's keys"), ('studio', 'The whole studio')], editable=False, max_length=12)),
                ('object_id', models.UUIDField(editable=False)),
                ('reason', models.CharField(blank=True, editable=False, max_length=300)),
                ('actor_kind', models.CharField(editable=False, max_length=16)),
                ('actor_id', models.UUIDField(editable=False, null=True)),
                ('shelf_at', models.DateTimeField(editable=False, null=True)),
                ('removed_at', models.DateTimeField(editable=False, null=True)),
                ('failures', models.PositiveIntegerField(default=0, editable=False)),
                ('error', models.CharField(blank=True, editable=False, max_length=300)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
            ],
            options={
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('what', 'object_id'), name='studios_keytombstone_once')],
            },
        ),
        migrations.AlterField('disposal', 'reason', models.CharField(choices=[('moved', 'Lies in another store now'), ('replaced', 'Was announced again for another store'), ('never_sent', 'Was announced and never committed'), ('quarantined', 'Belongs to a segment that was set aside'), ('shredded', 'Belongs to a class that was destroyed')], editable=False, max_length=12)),
        ForceRowSecurity('KeyTombstone'),
    ]
