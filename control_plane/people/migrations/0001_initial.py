"""Tables of people."""

import django.core.validators
import django.db.models.deletion
import shared.protocol.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('common', '0001_grants'),
        ('tenancy', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Dancer',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('name', models.CharField(max_length=120)),
                ('birth_year', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1900), django.core.validators.MaxValueValidator(2200)])),
                ('protected', models.BooleanField(default=False)),
                ('note', models.TextField(blank=True, max_length=1000)),
                ('left_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['name', 'id'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='Guardianship',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('relation', models.CharField(choices=[('parent', 'Parent'), ('guardian', 'Legal guardian'), ('carer', 'Carer'), ('self', 'The dancer')], default='parent', max_length=16)),
                ('started_at', models.DateTimeField(editable=False)),
                ('ended_at', models.DateTimeField(editable=False, null=True)),
                ('dancer', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='guardianships', to='people.dancer')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('user', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['started_at'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddIndex(
            model_name='dancer',
            index=models.Index(fields=['studio', 'name'], name='people_dancer_by_name'),
        ),
        migrations.AddConstraint(
            model_name='guardianship',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('dancer', 'user'), name='people_guardianship_once_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='guardianship',
            constraint=models.CheckConstraint(condition=models.Q(('relation__in', ['parent', 'guardian', 'carer', 'self'])), name='people_guardianship_known_relation'),
        ),
    ]
