"""The egress policy and the bytes counted for it."""


import django.core.validators
import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('tenancy', '0002_row_security'),
    ]

    operations = [
        migrations.CreateModel(
            name='EgressPolicy',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('share_enabled', models.BooleanField(default=True)),
                ('export_enabled', models.BooleanField(default=True)),
                ('longest_link_days', models.PositiveSmallIntegerField(default=7, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(90)])),
                ('pin_rule', models.CharField(choices=[('minors', 'Where a minor appears'), ('always', 'Always')], default='minors', max_length=8)),
                ('export_approval', models.BooleanField(default=False)),
                ('networks', models.JSONField(blank=True, default=list)),
                ('gb_per_day', models.PositiveIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100000)])),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio',), name='sharing_egresspolicy_once_per_studio')],
            },
        ),
        migrations.CreateModel(
            name='EgressUse',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('day', models.DateField(editable=False)),
                ('source_id', models.UUIDField(editable=False)),
                ('size_bytes', models.PositiveBigIntegerField(default=0, editable=False)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio', 'day', 'source_id'), name='sharing_egressuse_once')],
            },
        ),
    ]
