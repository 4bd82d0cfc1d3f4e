"""Tables of plans."""

import django.core.validators
import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('common', '0001_grants'),
        ('tenancy', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Plan',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('slug', models.SlugField(max_length=40, unique=True)),
                ('name', models.CharField(max_length=80)),
                ('agents', models.PositiveIntegerField(blank=True, null=True)),
                ('cameras', models.PositiveIntegerField(blank=True, null=True)),
                ('members', models.PositiveIntegerField(blank=True, null=True)),
                ('storage_bytes', models.PositiveBigIntegerField(blank=True, null=True)),
                ('analyses_per_month', models.PositiveIntegerField(blank=True, null=True)),
                ('api_per_minute', models.PositiveIntegerField(blank=True, null=True)),
                ('soft_percent', models.PositiveSmallIntegerField(default=80, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100)])),
                ('contact', models.CharField(blank=True, max_length=120)),
                ('is_default', models.BooleanField(default=False)),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('is_default',), name='plans_plan_one_default')],
            },
        ),
        migrations.CreateModel(
            name='StudioPlan',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('overrides', models.JSONField(blank=True, default=dict)),
                ('note', models.CharField(blank=True, max_length=200)),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='plans.plan')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio',), name='plans_plan_once_per_studio')],
            },
        ),
    ]
