"""When a membership ended because its provider was not heard of for too long."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('studios', '0010_no_monthly_use'),
    ]

    operations = [
        migrations.AddField(
            model_name='providedmembership',
            name='lapsed_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
