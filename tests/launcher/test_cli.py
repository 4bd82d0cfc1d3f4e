"""`threedance`: help everywhere, findings on standard output, errors in one form, and no home that is not needed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from launcher import cli
from launcher.cli import app
from launcher.doctor import check_settings
from shared import __version__
from tests.launcher.test_up import clean_environment, command


def commands(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yields the words of every command and group of a program, the program itself first."""
    yield path
    for name, inner in getattr(node, "commands", {}).items():
        yield from commands(inner, (*path, name))


@pytest.mark.parametrize("path", list(commands(typer.main.get_command(app))), ids=" ".join)
def test_every_command_has_help_by_its_short_and_its_long_name(path: tuple[str, ...]) -> None:
    short, long = (CliRunner().invoke(app, [*path, option]) for option in ("-h", "--help"))
    assert (short.exit_code, short.output) == (long.exit_code, long.output) == (0, long.output)
    assert "Usage:" in short.output


def test_the_program_says_what_it_is() -> None:
    output = " ".join(CliRunner().invoke(app, ["-h"]).output.split())
    assert "Run and manage a 3Dance control plane." in output
    assert "agents in the studios record classes" in output


def test_the_version_is_told_by_option_and_by_command() -> None:
    by_option, by_command = (CliRunner().invoke(app, [word]) for word in ("--version", "version"))
    assert (by_option.exit_code, by_option.output) == (0, f"threedance {__version__}\n")
    assert by_command.output == by_option.output


@pytest.mark.parametrize("path", list(commands(typer.main.get_command(app))), ids=" ".join)
def test_help_is_plain_text_and_its_list_of_commands_is_not_cut_off(path: tuple[str, ...]) -> None:
    output = CliRunner().invoke(app, [*path, "-h"], terminal_width=80).output
    assert not set(output) & set("╭╮╰╯│─\x1b")
    assert "..." not in output.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("line", "called"),
    [
        (["sign-in-link", "a@b.example"], ("signin_link", "a@b.example", "--minutes", "15")),
        (
            ["sign-in-link", "a@b.example", "--minutes", "60"],
            ("signin_link", "a@b.example", "--minutes", "60"),
        ),
        (["admin", "create", "a@b.example"], ("create_admin", "a@b.example")),
    ],
    ids=lambda item: " ".join(item),
)
def test_links_and_accounts_are_handed_to_their_commands(
    monkeypatch: pytest.MonkeyPatch, line: list[str], called: tuple[str, ...]
) -> None:
    seen: list[tuple[str, ...]] = []

    def manage(state: object, *arguments: str) -> int:
        seen.append(arguments)
        return 0

    monkeypatch.setattr(cli, "_manage", manage)
    assert CliRunner().invoke(app, line).exit_code == 0
    assert seen == [called]


def test_findings_of_the_doctor_go_to_standard_output(tmp_path: Path) -> None:
    output = command("doctor", "--state", str(tmp_path / "state"))
    assert output.returncode == 0, output.stderr
    assert "is not made yet" in output.stdout
    assert "threedance up --state" in output.stdout
    assert output.stderr == ""


def test_an_exported_audit_log_is_verified_by_the_program_of_the_audit_app(tmp_path: Path) -> None:
    shown = command("audit", "verify", "-h")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Usage: threedance audit verify" in shown.stdout
    unreadable = command("audit", "verify", str(tmp_path / "none.jsonl"))
    assert unreadable.returncode == 2
    assert "error" in unreadable.stderr.lower()


HOMELESS = """
import os, pwd, sys
def nobody(uid): raise KeyError(uid)
pwd.getpwuid = nobody
os.geteuid = lambda: 12345
for name in ("HOME", "XDG_STATE_HOME"): os.environ.pop(name, None)
from launcher.cli import main
sys.argv = ["threedance", *sys.argv[1:]]
main()
"""


def homeless(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the program as a user without a home and without a line in /etc/passwd."""
    return subprocess.run(
        [sys.executable, "-c", HOMELESS, *arguments],
        env=clean_environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [["doctor"], ["manage", "check"], ["up", "--port", "0"], ["fsck"]])
def test_a_home_is_missed_only_where_no_state_folder_is_named(tmp_path: Path, arguments: list[str]) -> None:
    without = homeless(*arguments)
    assert without.returncode in (1, 2)
    assert without.stderr.startswith("error: this user has no home folder")
    assert "what to do: Name one: --state DIR" in without.stderr
    if arguments[0] != "up":
        named = homeless(*arguments, "--state", str(tmp_path / "state"))
        assert "Traceback" not in named.stderr
        assert f"threedance up --state {tmp_path}" in named.stdout + named.stderr


def managed(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a management command on the database of the tests, as `threedance manage` does."""
    return subprocess.run(
        [sys.executable, "-m", "control_plane.config.commands", *arguments],
        env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_management_command_says_what_is_wrong_in_the_form_of_all_programs(django_db_setup: None) -> None:
    wrong = managed("fsck", "--studio", "no-such-studio")
    assert (wrong.returncode, wrong.stderr) == (2, "error: unknown studio: no-such-studio\n")


@pytest.mark.parametrize(
    ("arguments", "error", "todo"),
    [
        (
            ["signin_link", "typo@b.example"],
            "there is no account with the address typo@b.example",
            "Check the",
        ),
        (["create_admin", "nonsense"], "email: Enter a valid email address.", "Correct it"),
        (["create_studio", "x", "--admin", "nonsense"], "email: Enter a valid email address.", "Correct it"),
        (
            ["end_operator", "typo@b.example"],
            "there is no account with the address typo@b.example",
            "Check the",
        ),
    ],
    ids=lambda item: item[0] if isinstance(item, list) else "",
)
def test_a_command_that_refuses_says_what_to_do(
    django_db_setup: None, arguments: list[str], error: str, todo: str
) -> None:
    wrong = managed(*arguments)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    first, second = wrong.stderr.splitlines()
    assert first == f"error: {error}"
    assert second.startswith(f"what to do: {todo}")


def test_a_database_that_is_away_is_no_traceback_but_where_one_is_wanted() -> None:
    nowhere = "postgresql://threedance_app:x@/threedance?host=/nowhere"
    away = managed("fsck", THREEDANCE_DATABASE_URL=nowhere, THREEDANCE_DATABASE_POOL="0")
    assert away.returncode == 1
    assert away.stderr.startswith("error: ")
    assert "/nowhere" in away.stderr
    assert "what to do: `threedance doctor`" in away.stderr
    assert "Traceback" not in away.stderr
    shown = managed("fsck", "--traceback", THREEDANCE_DATABASE_URL=nowhere, THREEDANCE_DATABASE_POOL="0")
    assert "Traceback" in shown.stderr


def test_a_wrong_setting_is_named() -> None:
    wrong = managed("check", THREEDANCE_NONSENSE="1")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: THREEDANCE_NONSENSE is unknown")
    assert "Traceback" not in wrong.stderr


def test_the_doctor_notes_what_the_settings_warn_of(
    django_db_setup: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THREEDANCE_EMAIL_URL", raising=False)
    monkeypatch.delenv("DJANGO_ALLOW_ASYNC_UNSAFE", raising=False)  # of tests with a browser
    well, *notes = check_settings({})
    assert (well.level, well.text) == ("ok", "well")
    about_mail = [note for note in notes if "THREEDANCE_EMAIL_URL is not set" in note.text]
    assert [note.level for note in about_mail] == ["note"]
    assert "threedance sign-in-link EMAIL" in about_mail[0].hint
    with_mail = list(check_settings({"THREEDANCE_EMAIL_URL": "smtp://u:p@mail.example:587?from=a@b.example"}))
    assert with_mail[0].level == "ok"
    assert not [note for note in with_mail if "EMAIL" in note.text]


def test_a_tilde_without_a_home_is_an_error_with_a_way_out() -> None:
    done = homeless("doctor", "--state", "~/state")
    assert done.returncode != 0
    assert done.stderr.startswith("error: this user has no home folder, and so ~/state names no folder")
    assert "what to do: Name one without `~`" in done.stderr


def test_a_terminal_that_lacks_a_sign_gets_plain_letters(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "launcher.cli", "doctor", "--state", str(tmp_path / "caf\u00e9")],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout
