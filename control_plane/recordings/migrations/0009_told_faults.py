"""When the admins of a studio were mailed about a fault."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('recordings', '0008_footage_counts')]

    operations = [
        migrations.AddField('segmentfault', 'told_at', models.DateTimeField(editable=False, null=True)),
    ]
