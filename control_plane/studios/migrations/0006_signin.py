"""How people sign in to a studio: rules, identity providers, invitations; and memberships that end."""

import django.core.validators
import django.db.models.deletion
import shared.protocol.ids
from django.db import migrations, models

from control_plane.common.rls import ForceRowSecurity, Reach, setting


class Migration(migrations.Migration):

    dependencies = [
        ('studios', '0005_keys'),
    ]

    operations = [
        migrations.AddField(
            model_name='membership',
            name='ends_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
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
                ('group_claim', models.CharField(blank=True, max_length=120)),
                ('default_role', models.CharField(blank=True, choices=[('admin', 'Studio admin'), ('instructor', 'Instructor'), ('viewer', 'Viewer'), ('guardian', 'Guardian'), ('partner', 'Partner')], max_length=16)),
                ('asks_second_factor', models.BooleanField(default=False)),
                ('enabled', models.BooleanField(default=True)),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
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
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
                ('provider', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='group_roles', to='studios.identityprovider')),
            ],
            options={
                'ordering': ['group'],
                'abstract': False,
                'base_manager_name': 'objects',
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
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
            ],
            options={
                'ordering': ['-created_at'],
                'abstract': False,
                'base_manager_name': 'objects',
                'default_manager_name': 'objects',
            },
        ),
        migrations.CreateModel(
            name='ProvidedMembership',
            fields=[
                ('id', models.UUIDField(default=shared.protocol.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('membership', models.OneToOneField(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='studios.membership')),
                ('provider', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='studios.identityprovider')),
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
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
                ('studio', models.ForeignKey(editable=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='studios.studio')),
            ],
            options={
                'abstract': False,
                'base_manager_name': 'objects',
            },
        ),
        migrations.AddConstraint(
            model_name='identityprovider',
            constraint=models.UniqueConstraint(fields=('studio', 'name'), name='studios_provider_name_once'),
        ),
        migrations.AddConstraint(
            model_name='identityprovider',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['oidc', 'saml'])), name='studios_provider_known_kind'),
        ),
        migrations.AddConstraint(
            model_name='identityprovider',
            constraint=models.CheckConstraint(condition=models.Q(('default_role__in', ['', 'admin', 'instructor', 'viewer', 'guardian', 'partner'])), name='studios_provider_known_role'),
        ),
        migrations.AddConstraint(
            model_name='grouprole',
            constraint=models.UniqueConstraint(fields=('provider', 'group'), name='studios_grouprole_once'),
        ),
        migrations.AddConstraint(
            model_name='grouprole',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['admin', 'instructor', 'viewer', 'guardian', 'partner'])), name='studios_grouprole_known_role'),
        ),
        migrations.AddIndex(
            model_name='invitation',
            index=models.Index(fields=['studio', '-created_at'], name='studios_invitation_newest'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.UniqueConstraint(condition=models.Q(('accepted_at', None), ('revoked_at', None)), fields=('studio', 'email'), name='studios_invitation_one_open'),
        ),
        migrations.AddConstraint(
            model_name='invitation',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['admin', 'instructor', 'viewer', 'guardian', 'partner'])), name='studios_invitation_known_role'),
        ),
        migrations.AddConstraint(
            model_name='signinpolicy',
            constraint=models.UniqueConstraint(fields=('studio',), name='studios_signinpolicy_once_per_studio'),
        ),
        ForceRowSecurity('SigninPolicy'),
        # Before anybody is signed in: the provider whose address was called, and those that speak for a domain.
        ForceRowSecurity(
            'IdentityProvider',
            reach=[
                Reach('by_id', f"enabled AND id = {setting('provider_id')}"),
                Reach('by_domain', f"enabled AND domains ? {setting('provider_domain', 'text')}"),
            ],
        ),
        ForceRowSecurity('GroupRole'),
        ForceRowSecurity('ProvidedMembership'),
        # Whoever holds the link may find the invitation that it belongs to.
        ForceRowSecurity(
            'Invitation',
            reach=[Reach('by_hash', f"encode(token_sha256, 'hex') = {setting('invitation_hash', 'text')}")],
        ),
    ]
