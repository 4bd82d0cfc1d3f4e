"""What a studio knows and decides of a member's sessions in it: its own part, not the account's."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('studios', '0011_provided_lapse'),
    ]

    operations = [
        migrations.AddField(
            model_name='membership',
            name='signin_not_before',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='membership',
            name='last_seen_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='membership',
            name='seen_with_factor',
            field=models.BooleanField(editable=False, null=True),
        ),
    ]
