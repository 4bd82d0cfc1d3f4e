"""Uses of a month are counted from the log, and not in a table that nothing ever wrote to."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('studios', '0009_moves_that_bring_the_rest'),
    ]

    operations = [
        migrations.DeleteModel(name='MonthlyUse'),
    ]
