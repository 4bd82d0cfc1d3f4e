"""How many fragments and bytes a class holds: what `footage_limits` compares with the time that has passed."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('recordings', '0007_store_faults')]

    operations = [
        migrations.AddField('classsession', 'fragment_count', models.PositiveIntegerField(default=0, editable=False)),
        migrations.AddField('classsession', 'footage_bytes', models.PositiveBigIntegerField(default=0, editable=False)),
    ]
