"""Registers the deployment checks and sets up the logs."""

from types import ModuleType

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import Tags, register
from django.db.models.signals import post_migrate

from control_plane.common.request_logs import RequestRecords
from control_plane.config import checks, registry
from control_plane.config.celery import app as celery_app
from shared.kernel.logs import Flood, configure_logs


class ConfigConfig(AppConfig):
    """The composition root as a Django app."""

    name = "control_plane.config"
    label = "config"
    celery = celery_app
    """Every process that loads the apps sends tasks through this one."""

    def __init__(self, app_name: str, app_module: ModuleType) -> None:
        # Django makes all configurations of apps before it loads the first model.
        registry.load_declarations()
        super().__init__(app_name, app_module)

    def ready(self) -> None:
        """Configures logs, registers the system checks, and subscribes apps to each other's events.

        Also creates the stored permissions of single objects after each migration.
        """
        from control_plane.access.object_permissions import make_permissions  # models are loaded only now
        from control_plane.config import declarations

        post_migrate.connect(make_permissions, sender=apps.get_app_config("access"))
        registry.subscribe()
        configure_logs(
            json_lines=settings.ENV.log_json,
            level=settings.ENV.log_level,
            filters=[RequestRecords(), Flood()],
        )
        register(checks.check_secret_key, Tags.security, deploy=True)
        register(checks.check_root_key, Tags.security, deploy=True)
        register(checks.check_key_share_store, Tags.security, deploy=True)
        register(checks.check_database_url, deploy=True)
        register(checks.check_assets, deploy=True)
        register(checks.check_mail, deploy=True)
        register(checks.check_releases, deploy=True)
        register(checks.check_application_role, Tags.database)
        register(declarations.check_models)
        register(declarations.check_periodic_tasks)
        register(declarations.check_permissions)
        register(declarations.check_audit_events)
        register(declarations.check_navigation)
