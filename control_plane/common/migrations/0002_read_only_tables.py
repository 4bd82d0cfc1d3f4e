"""Makes tables that only migrations write read-only for the application: migrations, model names, permissions."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import ReadOnlyForApplication


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("common", "0001_grants"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations: ClassVar = [
        ReadOnlyForApplication("django_migrations", "django_content_type", "auth_permission"),
    ]
