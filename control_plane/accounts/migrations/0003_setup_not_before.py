"""From when on a session may give an account its first password or factor."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_operator'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='setup_not_before',
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
