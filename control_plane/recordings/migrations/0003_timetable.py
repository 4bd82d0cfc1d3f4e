"""Tables of the timetable."""

import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('people', '0003_consent'),
        ('recordings', '0002_row_security'),
        ('tenancy', '0002_row_security'),
    ]

    operations = [
        migrations.CreateModel(
            name='ClassType',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('name', models.CharField(max_length=120)),
                ('ended_at', models.DateTimeField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'verbose_name': 'class type',
                'ordering': ['name', 'id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddField(
            model_name='classsession',
            name='class_type',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='classes', to='recordings.classtype'),
        ),
        migrations.CreateModel(
            name='Enrolment',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('starts_at', models.DateTimeField(editable=False)),
                ('ends_at', models.DateTimeField(editable=False, null=True)),
                ('class_type', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='enrolments', to='recordings.classtype')),
                ('dancer', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='enrolments', to='people.dancer')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['starts_at', 'id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddConstraint(
            model_name='classtype',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('studio', 'name'), name='recordings_classtype_name_once'),
        ),
        migrations.AddIndex(
            model_name='enrolment',
            index=models.Index(fields=['dancer', 'class_type'], name='recordings_enrolment_of'),
        ),
        migrations.AddConstraint(
            model_name='enrolment',
            constraint=models.UniqueConstraint(condition=models.Q(('ends_at__isnull', True)), fields=('class_type', 'dancer'), name='recordings_enrolment_once_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='enrolment',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__isnull', True), ('ends_at__gte', models.F('starts_at')), _connector='OR'), name='recordings_enrolment_ends_after_start'),
        ),
    ]
