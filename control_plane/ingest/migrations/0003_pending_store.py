"""Which store a segment was told to go to."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ingest', '0002_row_security'),
        ('studios', '0004_storage_and_plans'),
    ]

    operations = [
        migrations.AddField(
            model_name='pendingsegment',
            name='store',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studiostore'),
        ),
    ]
