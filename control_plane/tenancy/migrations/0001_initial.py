"""Tables of tenancy."""

import django.core.validators
import django.db.models.deletion
import shared.protocol.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('common', '0001_grants'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Studio',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('slug', models.SlugField(unique=True, validators=[django.core.validators.RegexValidator('^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$', 'Lower-case letters, digits and hyphens only.')])),
                ('name', models.CharField(max_length=120)),
                ('time_zone', models.CharField(default='UTC', max_length=64)),
                ('accent', models.CharField(default='#e8467c', max_length=7, validators=[django.core.validators.RegexValidator('^#[0-9a-f]{6}$', 'A colour such as #e8467c.')])),
            ],
            options={
                'ordering': ['name'],
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='Room',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('name', models.CharField(max_length=80)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['name'],
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio', 'name'), name='tenancy_room_name_once_per_studio')],
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('role', models.CharField(choices=[('admin', 'Studio admin'), ('instructor', 'Instructor'), ('viewer', 'Viewer'), ('guardian', 'Guardian'), ('partner', 'Partner')], max_length=16)),
                ('ends_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('signin_not_before', models.DateTimeField(editable=False, null=True)),
                ('last_seen_at', models.DateTimeField(editable=False, null=True)),
                ('seen_with_factor', models.BooleanField(editable=False, null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio', 'user'), name='tenancy_membership_once_per_person'), models.CheckConstraint(condition=models.Q(('role__in', ['admin', 'instructor', 'viewer', 'guardian', 'partner'])), name='tenancy_membership_known_role')],
            },
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('email', models.EmailField(max_length=254)),
                ('role', models.CharField(choices=[('admin', 'Studio admin'), ('instructor', 'Instructor'), ('viewer', 'Viewer'), ('guardian', 'Guardian'), ('partner', 'Partner')], max_length=16)),
                ('membership_ends_at', models.DateTimeField(blank=True, null=True)),
                ('token_sha256', models.BinaryField(unique=True)),
                ('expires_at', models.DateTimeField(editable=False)),
                ('sent_at', models.DateTimeField(editable=False, null=True)),
                ('invited_by', models.UUIDField(editable=False, null=True)),
                ('accepted_at', models.DateTimeField(editable=False, null=True)),
                ('accepted_by', models.UUIDField(editable=False, null=True)),
                ('revoked_at', models.DateTimeField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'indexes': [models.Index(fields=['studio', '-created_at'], name='tenancy_invitation_newest')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('accepted_at', None), ('revoked_at', None)), fields=('studio', 'email'), name='tenancy_invitation_one_open'), models.CheckConstraint(condition=models.Q(('role__in', ['admin', 'instructor', 'viewer', 'guardian', 'partner'])), name='tenancy_invitation_known_role')],
            },
        ),
    ]
