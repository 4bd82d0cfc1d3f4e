"""Grants the application role access to tables that the owner creates later. Runs before any table exists."""

from typing import ClassVar

from django.db import migrations

from control_plane.common.rls import GrantToApplication


class Migration(migrations.Migration):
    run_before: ClassVar = [("contenttypes", "0001_initial"), ("sessions", "0001_initial")]
    operations: ClassVar = [GrantToApplication()]
