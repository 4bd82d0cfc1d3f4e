"""The environment: every variable is known, every wrong one is named, and no secret is shown."""

import re
from pathlib import Path

import pytest

from control_plane.config.env import ADDRESSES, Env, WrongEnvironment, file_mode_fault, parse, variable

GOOD = {
    "THREEDANCE_DATABASE_URL": "postgresql://app:hush%21@/three?host=/run/pg&port=5433",
    "THREEDANCE_DATABASE_OWNER_URL": "postgresql://owner:hush@db.example:5432/three",
    "THREEDANCE_VALKEY_URL": "unix://:hush@/run/valkey.sock?db=0",
    "THREEDANCE_SECRET_KEY": "hush" * 10,
    "THREEDANCE_OBJECT_STORE": "s3+https://key:hush@s3.example/bucket?region=eu",
    "THREEDANCE_PUBLIC_URL": "https://dance.example",
    "THREEDANCE_EMAIL_URL": "smtps://me:hush@mail.example?from=studio@dance.example",
    "THREEDANCE_DATABASE_POOL": "3",
    "THREEDANCE_DEBUG": "0",
    "PATH": "/bin",
    "THREEDANCE_AGENT_STATE": "/var/lib/agent",
}

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = re.compile(r"(THREEDANCE_[A-Z_]+)=([^\s`),]+)")
ROW = re.compile(r"^\| `(THREEDANCE_[A-Z_]+)` \|(.*)", re.MULTILINE)
ADDRESS = re.compile(r"`([a-z0-9+]+://[^`]*)`")


def documented() -> list[tuple[str, str]]:
    """Returns each variable of the README and the guides with each value that is shown for it."""
    found = []
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = path.read_text(encoding="utf-8")
        found += EXAMPLE.findall(text)
        found += [(name, value) for name, rest in ROW.findall(text) for value in ADDRESS.findall(rest)]
    return found


def test_a_whole_environment_is_understood() -> None:
    env = parse(GOOD)
    database = env.database()
    assert database is not None
    assert (database.user, database.password, database.host, database.port, database.name) == (
        "app",
        "hush!",
        "/run/pg",
        "5433",
        "three",
    )
    assert env.application_role() == "app"
    assert env.database_pool == 3
    assert env.debug is False
    mail = env.email()
    assert mail is not None
    assert (mail.host, mail.port, mail.password, mail.sender) == (
        "mail.example",
        465,
        "hush",
        "studio@dance.example",
    )
    assert env.hosts == ["dance.example"]


def test_the_owner_is_used_when_asked_for() -> None:
    env = parse(GOOD | {"THREEDANCE_DATABASE_ROLE": "owner"})
    database = env.database()
    assert database is not None
    assert database.user == "owner"
    assert database.host == "db.example"
    assert env.application_role() == "app"


def test_nothing_at_all_is_fine_for_tools() -> None:
    assert parse({}).database() is None


def test_no_secret_is_shown() -> None:
    assert "hush" not in repr(parse(GOOD)) + repr(parse(GOOD).database()) + repr(parse(GOOD).email())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("THREEDANCE_NONSENSE", "1"),
        ("THREEDANCE_PUBLIC_URL_FILE", "/x"),
        ("THREEDANCE_DATABASE_URL", "mysql://app:hush@/three"),
        ("THREEDANCE_DATABASE_URL", "postgresql://app:hush@db:port/three"),
        ("THREEDANCE_DATABASE_URL", "postgresql://app:hush@db/three?sslmode=off"),
        ("THREEDANCE_DATABASE_URL", "postgresql://:hush@db/three"),
        ("THREEDANCE_DATABASE_OWNER_URL", "postgresql://owner:hush@db/"),
        ("THREEDANCE_DATABASE_ROLE", "superuser"),
        ("THREEDANCE_DATABASE_POOL", "many"),
        ("THREEDANCE_DATABASE_POOL", "-1"),
        ("THREEDANCE_VALKEY_URL", "http://:hush@host"),
        ("THREEDANCE_OBJECT_STORE", "ftp://key:hush@host/bucket"),
        ("THREEDANCE_PUBLIC_URL", "dance.example"),
        ("THREEDANCE_PUBLIC_URL", "https://user:hush@dance.example/path"),
        ("THREEDANCE_EMAIL_URL", "smtp://me:hush@mail.example"),
        ("THREEDANCE_EMAIL_URL", "imap://me:hush@mail.example?from=a@b"),
        ("THREEDANCE_EMAIL_URL", "smtp://me:hush@mail.example:port?from=a@b"),
        ("THREEDANCE_DEBUG", "perhaps"),
        ("THREEDANCE_LOG_LEVEL", "LOUD"),
        ("THREEDANCE_SECRET_KEY_FILE", "/does/not/exist"),
    ],
)
def test_a_wrong_variable_is_named_and_its_secret_is_not(key: str, value: str) -> None:
    environ = {name: text for name, text in GOOD.items() if name != key.removesuffix("_FILE")}
    with pytest.raises(WrongEnvironment) as caught:
        parse(environ | {key: value})
    assert key in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    assert parse({"THREEDANCE_SECRET_KEY_FILE": str(tmp_path / "secret")}).secret_key == "s3cret"


def test_a_secret_given_both_ways_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a")
    environ = {"THREEDANCE_SECRET_KEY": "b", "THREEDANCE_SECRET_KEY_FILE": str(tmp_path / "secret")}
    with pytest.raises(WrongEnvironment, match="THREEDANCE_SECRET_KEY"):
        parse(environ)


def test_the_state_folder_has_a_default() -> None:
    assert Env().state_path == Path("state")


def test_a_secret_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert "cannot be read" in file_mode_fault(path)
    path.write_text("x")
    path.chmod(0o640)
    assert "0640" in file_mode_fault(path)
    path.chmod(0o600)
    assert file_mode_fault(path) == ""
    assert file_mode_fault(tmp_path) == "is not a file"


def test_every_value_that_the_guides_show_is_taken() -> None:
    shown = documented()
    assert {name for name, _ in shown} >= {"THREEDANCE_EMAIL_URL", "THREEDANCE_OBJECT_STORE"}
    for name, value in shown:
        parse({name: value})


@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_that_cannot_be_taken_apart_is_named(name: str) -> None:
    with pytest.raises(WrongEnvironment, match=variable(name)):
        parse({variable(name): "https://[::1/x"})
