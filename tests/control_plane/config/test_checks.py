"""A deployment that would not hold does not start, and says what to mend."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError, SystemCheckError
from django.db import connection

from control_plane.config import checks
from control_plane.config.env import Env
from control_plane.keys.configured import share_store_at


def test_a_short_or_missing_secret_key_is_an_error(settings: Any) -> None:
    settings.ENV = Env(secret_key="x" * 31)
    assert [message.id for message in checks.check_secret_key()] == ["threedance.E010"]
    settings.ENV = Env(secret_key="x" * 32)
    assert checks.check_secret_key() == []


def test_a_folder_of_releases_without_releases_is_a_warning(settings: Any, tmp_path: Path) -> None:
    assert checks.check_releases() == []
    settings.FLEET_RELEASES = tmp_path
    assert [message.id for message in checks.check_releases()] == ["threedance.W017"]
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "timestamp.json").touch()
    assert checks.check_releases() == []


def test_a_root_key_that_others_read_is_an_error(settings: Any, tmp_path: Path) -> None:
    settings.ROOT_KEY_FILE = tmp_path / "root.key"
    assert [message.id for message in checks.check_root_key()] == ["threedance.E011"]
    settings.ROOT_KEY_FILE.write_text("x")
    settings.ROOT_KEY_FILE.chmod(0o644)
    assert "0644" in checks.check_root_key()[0].msg
    settings.ROOT_KEY_FILE.chmod(0o600)
    assert checks.check_root_key() == []


def test_a_shelf_in_the_database_of_everything_else_is_an_error(
    transactional_db: None, settings: Any
) -> None:
    """Its backups hold the wrapped keys: with the halves beside them, nothing is ever destroyed."""
    for url in (settings.ENV.database_url, settings.ENV.database_owner_url):
        settings.KEY_SHARES_URL = url
        (found,) = checks.check_key_share_store()
        assert found.id == "threedance.E016"
        assert "other tables" in found.msg
        assert url not in found.msg
        with pytest.raises(SystemCheckError, match="E016"):
            checks.refuse_unsafe_start()
    share_store_at(settings.ENV.database_url).close()  # type: ignore[attr-defined]
    share_store_at(settings.ENV.database_owner_url).close()  # type: ignore[attr-defined]


def test_init_keys_makes_no_shelf_where_none_may_be(transactional_db: None, settings: Any) -> None:
    settings.KEY_SHARES_URL = settings.ENV.database_owner_url
    with pytest.raises(CommandError, match="other tables"):
        call_command("init_keys")
    share_store_at(settings.ENV.database_owner_url).close()  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.key_shares')")
        assert cursor.fetchone() == (None,)


def test_a_shelf_among_what_is_backed_up_is_an_error(settings: Any, tmp_path: Path) -> None:
    assert checks.check_key_share_store() == []
    settings.OBJECT_STORE_URL = f"file://{tmp_path}/objects"
    settings.KEY_SHARES_URL = f"file://{tmp_path}/objects/keys/key-shares"
    assert "among the recordings" in checks.check_key_share_store()[0].msg
    settings.KEY_SHARES_URL = f"file://{tmp_path}/postgres/shelf"
    assert checks.check_key_share_store() == []
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18")
    assert "files of a database" in checks.check_key_share_store()[0].msg
    settings.KEY_SHARES_URL = "postgresql://shelf@127.0.0.1:9/nowhere?connect_timeout=1"
    assert "does not answer" in checks.check_key_share_store()[0].msg
    share_store_at(settings.KEY_SHARES_URL).close()  # type: ignore[attr-defined]


def test_missing_assets_are_a_warning(settings: Any, tmp_path: Path) -> None:
    settings.ASSETS_DIR = tmp_path / "dist"
    assert [message.id for message in checks.check_assets()] == ["threedance.W013"]
    settings.ASSETS_DIR.mkdir()
    (settings.ASSETS_DIR / "app.js").touch()
    assert checks.check_assets() == []


def test_no_mail_server_is_a_warning(settings: Any) -> None:
    settings.ENV = Env()
    assert [message.id for message in checks.check_mail()] == ["threedance.W015"]
    settings.ENV = Env(email_url="smtp://host?from=a@b")
    assert checks.check_mail() == []


def test_no_database_is_an_error(settings: Any) -> None:
    settings.ENV = Env()
    assert [message.id for message in checks.check_database_url()] == ["threedance.E012"]


@pytest.mark.parametrize(
    ("superuser", "bypass", "owner", "told"),
    [
        (True, False, False, "superuser"),
        (False, True, False, "BYPASSRLS"),
        (False, False, True, "owns"),
        (False, False, False, ""),
    ],
)
def test_a_role_that_row_security_does_not_bind_is_an_error(
    monkeypatch: pytest.MonkeyPatch, superuser: bool, bypass: bool, owner: bool, told: str
) -> None:
    monkeypatch.setattr(checks, "role_facts", lambda alias: ("app", superuser, bypass, owner))
    found = checks.check_application_role(databases=["default"])
    assert [message.id for message in found] == (["threedance.E014"] if told else [])
    assert all(told in message.msg for message in found)


def test_the_facts_come_from_the_database(db: None) -> None:
    name, *rules = checks.role_facts("default")
    assert name == connection.settings_dict["USER"]
    assert rules == [False, False, False]


def test_the_owner_is_known_as_one(db: None, settings: Any) -> None:
    with psycopg.connect(settings.ENV.database_owner_url) as owner:
        facts = owner.execute(checks.ROLE_FACTS).fetchone()
    assert facts is not None
    assert facts[3] is True


def test_an_unfit_deployment_does_not_start(transactional_db: None, settings: Any) -> None:
    settings.ENV = Env(secret_key="short", database_url="postgresql://a@/b")
    with pytest.raises(SystemCheckError) as caught:
        checks.refuse_unsafe_start()
    assert "threedance.E010" in str(caught.value)
    assert "HINT" in str(caught.value)


def test_a_fit_deployment_starts(transactional_db: None) -> None:
    checks.refuse_unsafe_start()
