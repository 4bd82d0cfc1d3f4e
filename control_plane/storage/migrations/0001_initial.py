"""Tables of storage."""

import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [('common', '0001_grants')]

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
                'verbose_name': 'secret of the platform',
                'verbose_name_plural': 'secrets of the platform',
                'ordering': ['name'],
            },
        ),
    ]
