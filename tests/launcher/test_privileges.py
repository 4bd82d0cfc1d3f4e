"""A control plane that root starts runs as another account, which can do and see no more than it needs."""

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from launcher import privileges, stack
from launcher.errors import ServiceAccountUnusable, StateUnusable
from launcher.privileges import STATE_ENTRIES, UnixAccount, transfer_ownership
from tests.repo.tracked import ROOT

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others may pass through; pytest's own are closed to them."""
    with TemporaryDirectory(prefix="3d-account-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture
def somebody() -> UnixAccount:
    """The system account, as it is made where root starts a control plane."""
    return UnixAccount.ensure()


@pytest.fixture
def old_state(folder: Path) -> Path:
    """A state folder as versions before this one made it for root: root's, but for what was the servers' own."""
    nobody = pwd.getpwnam("nobody")
    state = folder / "state"
    for name in ("keys", "objects/a", "run/postgres", "logs", "postgres/base"):
        (state / name).mkdir(parents=True)
    for name in ("keys/root.key", "objects/a/one.seg", "postgres/base/1", "logs/web.log"):
        (state / name).write_text(name)
    for path in (state / "postgres", state / "postgres" / "base", state / "postgres" / "base" / "1"):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return state


def owners(path: Path) -> set[int]:
    """Returns who owns a folder and what is in it."""
    return {path.lstat().st_uid, *(one.lstat().st_uid for one in path.rglob("*"))}


@only_root
def test_an_old_folder_of_roots_is_given_to_the_account_with_what_belongs_to_it_and_nothing_else(
    old_state: Path, somebody: UnixAccount
) -> None:
    (old_state / "agent").mkdir()
    (old_state / "logs" / "elsewhere").symlink_to("/etc")
    transfer_ownership(old_state, somebody)
    assert owners(old_state) == {0, somebody.uid}
    assert {path.name for path in old_state.rglob("*") if path.lstat().st_uid == 0} == {"agent"}
    assert Path("/etc").stat().st_uid == 0
    assert UnixAccount.owner_of(old_state) == somebody


@only_root
def test_a_folder_that_was_half_given_away_is_still_roots_and_goes_on(
    old_state: Path, somebody: UnixAccount
) -> None:
    outside = old_state.parent / "outside"
    outside.write_text("a file of root's")
    os.link(outside, old_state / "postgres" / "base" / "linked")
    with pytest.raises(StateUnusable, match="second name") as caught:
        transfer_ownership(old_state, somebody)
    assert "-inum" in caught.value.hint
    assert (outside.stat().st_uid, UnixAccount.owner_of(old_state)) == (0, None)
    (old_state / "postgres" / "base" / "linked").unlink()
    transfer_ownership(old_state, somebody)
    assert owners(old_state) == {somebody.uid}


@only_root
@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_folder_of_something_else_is_not_given_away(folder: Path, somebody: UnixAccount, mode: int) -> None:
    foreign = folder / "foreign"
    foreign.mkdir()
    (foreign / ("logs" if mode & 0o002 else "mail")).mkdir()
    foreign.chmod(mode)
    with pytest.raises(StateUnusable, match="no state folder") as caught:
        transfer_ownership(foreign, somebody)
    assert "/var/lib/threedance" in caught.value.hint
    assert owners(foreign) == {0}


def test_every_folder_that_a_control_plane_makes_is_known(folder: Path) -> None:
    from launcher.disk_reserve import NAME
    from launcher.state_folder import prepare_state_folder

    made = {path.name for path in prepare_state_folder(folder / "state").iterdir()}
    assert made | {NAME, "postgres", "valkey"} <= set(STATE_ENTRIES)


def test_a_process_that_is_not_roots_keeps_its_account(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    stack.claim_state_folder(folder / "state", pytest.fail)
    privileges.drop_to_owner(folder)
    assert not (folder / "state").exists()


ENTER = """
import ctypes, json, os, signal, sys
from pathlib import Path
import launcher
from launcher.privileges import drop_to_owner
from launcher.errors import LauncherError
libc = ctypes.CDLL(None)
libc.prctl(1, int(signal.SIGUSR1))
try:
    drop_to_owner(Path(sys.argv[1]))
except LauncherError as error:
    print(json.dumps({"refused": str(error), "hint": error.hint}))
    raise SystemExit
bond = ctypes.c_int(0)
libc.prctl(2, ctypes.byref(bond))
try:
    os.setresuid(0, 0, 0)
    root_again = True
except OSError:
    root_again = False
package = Path(launcher.__file__).parent
print(json.dumps({
    "uids": os.getresuid(), "gids": os.getresgid(), "groups": os.getgroups(), "root_again": root_again,
    "no_new_privileges": libc.prctl(39, 0, 0, 0, 0), "bond": bond.value,
    "environment": {k: v for k, v in os.environ.items() if k.startswith(("THREEDANCE_EMAIL", "HOME", "XDG", "USER"))},
    "package": str(package), "source": (package / "cli.py").read_text()[:20],
    "beside": sorted(os.listdir(package.parent)) if os.access(package.parent, os.R_OK) else [],
    "above": sorted(os.listdir(package.parents[1])) if os.access(package.parents[1], os.R_OK) else None,
}))
"""


SOME_GROUP = 4
"""One that root is in here, as it often is: `adm` reads the logs of the system."""


def entered(state: Path, *before: str, **variables: str) -> dict[str, Any]:
    """Returns what a process of root's is and sees after it entered a state folder; `before` starts it."""
    done = subprocess.run(
        [*before, sys.executable, "-c", ENTER, str(state)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        extra_groups=[SOME_GROUP],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.fixture
def state(folder: Path, somebody: UnixAccount) -> Path:
    """A state folder of the account."""
    made = folder / "state"
    made.mkdir()
    os.chown(made, somebody.uid, somebody.gid)
    return made


@only_root
def test_a_process_of_roots_becomes_the_owner_of_the_folder_for_good(
    state: Path, somebody: UnixAccount
) -> None:
    report = entered(state, XDG_STATE_HOME="/nowhere")
    assert (report["uids"], report["gids"]) == ([somebody.uid] * 3, [somebody.gid] * 3)
    assert not {0, SOME_GROUP} & set(report["groups"])
    assert (report["root_again"], report["no_new_privileges"]) == (False, 1)
    assert report["bond"] > 0, "it no longer ends with the one who started it"
    assert report["environment"] == {"HOME": str(state), "USER": somebody.name}


@only_root
def test_the_owner_may_be_anybody_also_somebody_without_a_name(state: Path) -> None:
    os.chown(state, 64999, 64998)
    report = entered(state)
    assert (report["uids"], report["groups"]) == ([64999] * 3, [64998])


@only_root
def test_a_secret_that_only_root_may_read_is_read_before(state: Path, folder: Path) -> None:
    for name, mode in (("closed", 0o600), ("open", 0o644)):
        (folder / name).write_text("smtp://host\n")
        (folder / name).chmod(mode)
    closed = entered(state, THREEDANCE_EMAIL_URL_FILE=str(folder / "closed"))["environment"]
    assert closed["THREEDANCE_EMAIL_URL"] == "smtp://host"
    assert "THREEDANCE_EMAIL_URL_FILE" not in closed
    readable = entered(state, THREEDANCE_EMAIL_URL_FILE=str(folder / "open"))["environment"]
    assert readable["THREEDANCE_EMAIL_URL_FILE"] == str(folder / "open")
    assert "THREEDANCE_EMAIL_URL" not in readable


@pytest.fixture
def closed_program(folder: Path) -> Path:
    """A copy of the program in a folder that is closed to others, as root's home is, beside a secret."""
    program = folder / "home" / "checkout"
    for package in ("control_plane", "launcher", "shared"):
        shutil.copytree(
            ROOT / package, program / package, ignore=shutil.ignore_patterns("web", "static", "__pycache__")
        )
    (folder / "home" / "secret").write_text("of root's")
    (folder / "home").chmod(0o700)
    return program


@only_root
def test_a_program_in_a_closed_folder_is_opened_for_this_process_and_nothing_else_of_the_folder(
    state: Path, closed_program: Path
) -> None:
    report = entered(state, PYTHONPATH=str(closed_program))
    if "refused" in report:
        pytest.skip(f"only root outside of a container may mount: {report['refused']}")
    assert report["package"] == str(closed_program / "launcher")
    assert report["source"]
    assert report["beside"] == ["control_plane", "launcher", "shared"]
    assert report["above"] is None, "a folder that anybody can list"
    assert stat.S_IMODE(closed_program.parent.stat().st_mode) == 0o700
    assert {path.name for path in closed_program.parent.iterdir()} == {"checkout", "secret"}


@only_root
@pytest.mark.skipif(
    shutil.which("setpriv") is None, reason="only root with setpriv can do without a capability"
)
def test_where_nothing_can_be_mounted_the_error_names_the_folder_and_two_ways_out(
    state: Path, closed_program: Path
) -> None:
    report = entered(state, "setpriv", "--bounding-set=-sys_admin", PYTHONPATH=str(closed_program))
    assert "cannot run it from" in report["refused"]
    assert "/opt/threedance" in report["hint"]
    assert "chmod o+x" in report["hint"]


@only_root
def test_a_program_whose_files_are_closed_is_refused(state: Path, closed_program: Path) -> None:
    (closed_program / "launcher" / "mount_namespace.py").chmod(0o600)
    report = entered(state, PYTHONPATH=str(closed_program))
    assert "mount_namespace.py" in report["refused"]


@pytest.fixture
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A system without the account; returns the folder of the programs that it has."""
    monkeypatch.setattr(privileges, "NAME", "no-such-account")
    monkeypatch.setattr(privileges, "USERADD_ATTEMPTS", 1)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(
        shutil, "which", lambda name, path: str(tmp_path / name) if (tmp_path / name).exists() else None
    )
    return tmp_path


def test_an_account_that_cannot_be_made_is_named_with_the_reason(no_account: Path) -> None:
    with pytest.raises(ServiceAccountUnusable, match="neither useradd nor adduser") as caught:
        UnixAccount.ensure()
    assert "useradd --system" in caught.value.hint
    program = no_account / "useradd"
    program.write_text("#!/bin/sh\necho 'useradd: cannot lock /etc/passwd; try again later.' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(ServiceAccountUnusable, match="cannot lock"):
        UnixAccount.ensure()


def test_the_account_is_made_without_password_shell_and_home_and_somebody_is_told(
    no_account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = no_account / "useradd"
    program.write_text(f'#!/bin/sh\necho "$@" > {no_account}/told\n')
    program.chmod(0o755)
    made = UnixAccount(999, 999, "no-such-account")
    monkeypatch.setattr(
        UnixAccount, "find", classmethod(lambda cls: made if (no_account / "told").exists() else None)
    )
    said: list[str] = []
    assert UnixAccount.ensure(said.append) == made
    assert UnixAccount.ensure(said.append) == made
    words = (no_account / "told").read_text().split()
    assert {"--system", "--no-create-home", "/usr/sbin/nologin", "no-such-account"} <= set(words)
    assert len(said) == 1
