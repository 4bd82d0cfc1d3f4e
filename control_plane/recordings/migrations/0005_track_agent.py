"""Whose camera a track was when the class began: no other box may write to it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fleet', '0002_row_security'),
        ('recordings', '0004_segment_store'),
    ]

    operations = [
        migrations.AddField(
            model_name='track',
            name='agent',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fleet.agent'),
        ),
    ]
