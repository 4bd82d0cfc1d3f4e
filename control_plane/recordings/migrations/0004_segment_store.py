"""Which store holds a segment."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fleet', '0002_row_security'),
        ('recordings', '0003_appearances'),
        ('studios', '0004_storage_and_plans'),
    ]

    operations = [
        migrations.AddField(
            model_name='segment',
            name='store',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studiostore'),
        ),
        migrations.AddIndex(
            model_name='segment',
            index=models.Index(fields=['studio', 'store', 'id'], include=('size_bytes',), name='recordings_segment_store'),
        ),
    ]
