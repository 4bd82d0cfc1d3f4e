"""Tables of access."""

import datetime
import django.db.models.deletion
import django.db.models.expressions
import shared.protocol.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('common', '0001_grants'),
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('tenancy', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('name', models.CharField(max_length=80)),
                ('shown', models.CharField(editable=False, max_length=12)),
                ('secret_sha256', models.BinaryField(unique=True)),
                ('actions', models.JSONField(default=list)),
                ('expires_at', models.DateTimeField()),
                ('last_used_at', models.DateTimeField(editable=False, null=True)),
                ('revoked_at', models.DateTimeField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('user', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'API key',
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='BreakGlass',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('actions', models.JSONField(default=list, editable=False)),
                ('reason', models.CharField(editable=False, max_length=500)),
                ('ends_at', models.DateTimeField(editable=False)),
                ('closed_at', models.DateTimeField(editable=False, null=True)),
                ('closed_by', models.UUIDField(editable=False, null=True)),
                ('operator', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'verbose_name': 'break-glass',
                'verbose_name_plural': 'break-glass',
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
                'indexes': [models.Index(fields=['operator', 'studio', 'ends_at'], name='access_breakglass_open')],
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at__lte', django.db.models.expressions.CombinedExpression(models.F('created_at'), '+', models.Value(datetime.timedelta(seconds=14400))))), name='access_breakglass_at_most_four_hours')],
            },
        ),
        migrations.CreateModel(
            name='ObjectPermission',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('object_pk', models.CharField(max_length=255, verbose_name='object ID')),
                ('effect', models.CharField(choices=[('allow', 'Grant'), ('deny', 'Deny')], default='allow', editable=False, max_length=8)),
                ('until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('reason', models.CharField(blank=True, editable=False, max_length=500)),
                ('given_by', models.UUIDField(editable=False, null=True)),
                ('given_at', models.DateTimeField(auto_now=True)),
                ('content_type', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='contenttypes.contenttype')),
                ('permission', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to='auth.permission')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-given_at', 'id'],
                'abstract': False,
                'base_manager_name': 'objects',
                'indexes': [models.Index(fields=['studio', 'object_pk'], name='access_objectpermission_of')],
                'constraints': [models.UniqueConstraint(fields=('user', 'object_pk', 'permission', 'effect'), name='access_objectpermission_once'), models.CheckConstraint(condition=models.Q(('effect__in', ['allow', 'deny'])), name='access_objectpermission_known_effect')],
            },
        ),
        migrations.CreateModel(
            name='RolePermissions',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('role', models.CharField(choices=[('admin', 'Studio admin'), ('instructor', 'Instructor'), ('viewer', 'Viewer'), ('guardian', 'Guardian'), ('partner', 'Partner')], editable=False, max_length=16)),
                ('actions', models.JSONField(default=list, editable=False)),
                ('changed_at', models.DateTimeField(auto_now=True)),
                ('changed_by', models.UUIDField(editable=False, null=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'verbose_name': 'role permissions',
                'verbose_name_plural': 'role permissions',
                'abstract': False,
                'base_manager_name': 'objects',
                'constraints': [models.UniqueConstraint(fields=('studio', 'role'), name='access_rolepermissions_once_per_role'), models.CheckConstraint(condition=models.Q(('role__in', ['admin', 'instructor', 'viewer', 'guardian', 'partner'])), name='access_rolepermissions_known_role')],
            },
        ),
    ]
