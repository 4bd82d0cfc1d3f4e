"""Tables of identity."""

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
            name='IdentityProvider',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('kind', models.CharField(choices=[('oidc', 'OpenID Connect'), ('saml', 'SAML 2.0')], max_length=8)),
                ('name', models.CharField(max_length=60)),
                ('issuer', models.CharField(max_length=300)),
                ('client_id', models.CharField(blank=True, max_length=190)),
                ('wrapped_secret', models.BinaryField(blank=True)),
                ('sso_url', models.URLField(blank=True, max_length=300)),
                ('certificate', models.TextField(blank=True, max_length=10000)),
                ('domains', models.JSONField(default=list)),
                ('proven_domains', models.JSONField(default=dict, editable=False)),
                ('group_claim', models.CharField(blank=True, max_length=120)),
                ('default_role', models.CharField(blank=True, choices=[('admin', 'Studio admin'), ('instructor', 'Instructor'), ('viewer', 'Viewer'), ('guardian', 'Guardian'), ('partner', 'Partner')], max_length=16)),
                ('asks_second_factor', models.BooleanField(default=False)),
                ('enabled', models.BooleanField(default=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'ordering': ['name'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='GroupRole',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('group', models.CharField(max_length=200)),
                ('role', models.CharField(choices=[('admin', 'Studio admin'), ('instructor', 'Instructor'), ('viewer', 'Viewer'), ('guardian', 'Guardian'), ('partner', 'Partner')], max_length=16)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
                ('provider', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='group_roles', to='identity.identityprovider')),
            ],
            options={
                'ordering': ['group'],
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='ProvidedMembership',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('lapsed_at', models.DateTimeField(editable=False, null=True)),
                ('membership', models.OneToOneField(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenancy.membership')),
                ('provider', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='identity.identityprovider')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='SigninPolicy',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('admins_need_second_factor', models.BooleanField(default=False)),
                ('provider_only', models.BooleanField(default=False)),
                ('session_hours', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(336)])),
                ('idle_minutes', models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(5), django.core.validators.MaxValueValidator(10080)])),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='tenancy.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddConstraint(
            model_name='identityprovider',
            constraint=models.UniqueConstraint(fields=('studio', 'name'), name='identity_provider_name_once'),
        ),
        migrations.AddConstraint(
            model_name='identityprovider',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['oidc', 'saml'])), name='identity_provider_known_kind'),
        ),
        migrations.AddConstraint(
            model_name='identityprovider',
            constraint=models.CheckConstraint(condition=models.Q(('default_role__in', ['', 'admin', 'instructor', 'viewer', 'guardian', 'partner'])), name='identity_provider_known_role'),
        ),
        migrations.AddConstraint(
            model_name='grouprole',
            constraint=models.UniqueConstraint(fields=('provider', 'group'), name='identity_grouprole_once'),
        ),
        migrations.AddConstraint(
            model_name='grouprole',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['admin', 'instructor', 'viewer', 'guardian', 'partner'])), name='identity_grouprole_known_role'),
        ),
        migrations.AddConstraint(
            model_name='signinpolicy',
            constraint=models.UniqueConstraint(fields=('studio',), name='identity_signinpolicy_once_per_studio'),
        ),
    ]
