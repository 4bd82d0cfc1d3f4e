"""Root's half: what it installs, what it takes back, and that a power cut at any step ends in an agent that runs."""

import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.files import Files
from edge_agent.update.handover import FOLDER, HEARD, OUTCOME, RETRY_AFTER_S, from_line, to_line
from edge_agent.update.install import RUNNER
from edge_agent.update.journal import FRESH_S, Journal, Record, State
from edge_agent.update.packages import PackageFailed, Packages, PackagesBusy
from edge_agent.update.verify import runner_of
from tests.edge_agent.update.system import HEARD_S, MUTE_S, OPTIONS, ROOT, System, make_package

OWN = {name: (ROOT / name).read_bytes() for name in RUNNER}

pytestmark = pytest.mark.faults


def test_a_signed_newer_version_is_installed_and_kept_once_it_is_heard(offered: System) -> None:
    assert offered.take()
    offered.go_on()
    assert offered.version() == offered.running() == "2.0"
    assert (offered.outcome().outcome, offered.outcome().version) == ("installed", "2.0")
    assert not list(offered.record.glob("*.deb"))
    assert not (offered.record / "journal.json").exists()


def test_a_version_that_is_not_heard_of_gives_way_to_the_old_one_and_to_a_newer_one(system: System) -> None:
    system.publish(make_package(system.folder, "2.0", mute=True))
    system.download()
    system.ask()
    assert system.take()
    system.go_on(heard_within_s=MUTE_S)
    assert system.version() == system.running() == "1.0"
    assert system.outcome().outcome == "rolled back"
    assert "did not hear" in system.outcome().reason
    assert failures(system) == {"2.0": 1}
    system.ask()
    assert not system.take()
    assert "rolled back before" in system.outcome().reason
    assert failures(system) == {"2.0": 1}
    system.publish(make_package(system.folder, "2.1"))
    system.download()
    system.ask()
    assert system.take()
    system.go_on()
    assert system.version() == "2.1"


def failures(system: System) -> dict[str, int]:
    """Returns how often each version was rolled back."""
    return {item.version: item.times for item in system.outcome().rolled_back}


def test_a_version_that_was_rolled_back_is_tried_again_later_and_a_third_time_and_no_more(
    system: System,
) -> None:
    system.publish(make_package(system.folder, "2.0", mute=True))
    system.download()
    for times, wait_s in ((1, RETRY_AFTER_S[0]), (2, RETRY_AFTER_S[1])):
        system.ask()
        assert system.take()
        system.go_on(heard_within_s=MUTE_S)
        assert system.version() == system.running() == "1.0"
        assert failures(system) == {"2.0": times}
        system.later_s += wait_s - 60
        system.ask()
        assert not system.take()
        system.later_s += 61
    system.ask()
    assert system.take()
    system.go_on(heard_within_s=MUTE_S)
    assert "It is not tried again" in system.outcome().summary
    system.later_s += 365 * 86_400
    system.ask()
    assert not system.take()


def unheard(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rolls an update back although its version is good: the router was slow to start, and nobody heard of it in time."""
    with monkeypatch.context() as patch:
        patch.setattr(system.handed, "confirmed_version", lambda: "")
        system.go_on(heard_within_s=MUTE_S)


def test_a_version_that_failed_by_chance_is_installed_at_the_next_try_and_forgiven(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.publish(make_package(system.folder, "2.0"))
    system.download()
    system.ask()
    assert system.take()
    unheard(system, monkeypatch)
    assert system.version() == "1.0"
    assert "It is tried again in 6 hours" in system.outcome().summary
    system.later_s = RETRY_AFTER_S[0] + 1
    system.ask()
    assert system.take()
    system.go_on()
    assert system.version() == system.running() == "2.0"
    assert failures(system) == {}


def test_an_operator_has_it_tried_again_at_once(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    system.publish(make_package(system.folder, "2.0"))
    system.download()
    system.ask()
    assert system.take()
    unheard(system, monkeypatch)
    assert Record(system.record).clear_rollbacks() == ("2.0",)
    assert Record(system.record).clear_rollbacks() == ()
    system.ask()
    assert system.take()
    system.go_on()
    assert system.version() == "2.0"


def test_a_rollback_that_power_cuts_interrupt_is_one_failure(system: System) -> None:
    record = Record(system.record)
    journal = Journal(State.ROLLING_BACK, "2.0", "1.0", reason="x", failed_at=1_700_000_000.0)
    for starts in (1, 2, 3):
        record.record_rollback(dataclasses.replace(journal, starts=starts))
    assert failures(system) == {"2.0": 1}
    record.record_rollback(dataclasses.replace(journal, failed_at=1_700_100_000.0))
    assert failures(system) == {"2.0": 2}


def test_a_version_that_takes_the_computer_down_is_given_up_at_once(system: System) -> None:
    system.publish(make_package(system.folder, "2.0"))
    system.download()
    system.ask()
    assert system.take()
    Record(system.record).put(Journal(State.INSTALLING, "2.0", "1.0", starts=3))
    system.go_on()
    assert system.version() == "1.0"
    assert failures(system) == {"2.0": len(RETRY_AFTER_S) + 1}
    system.later_s = 365 * 86_400
    system.ask()
    assert not system.take()


def test_what_an_older_package_wrote_is_understood_and_it_understands_what_is_written(system: System) -> None:
    then = time.time() - RETRY_AFTER_S[0] - 1
    old = {"version": "2.0", "outcome": "rolled back", "reason": "x", "at": then, "bad": ["2.0"]}
    (system.record / OUTCOME).write_bytes(to_line(old))
    assert failures(system) == {"2.0": 1}
    record = Record(system.record)
    assert record.may_be_tried("2.0")
    record.record_rollback(Journal(State.ROLLING_BACK, "2.0", "1.0", failed_at=time.time()))
    written = from_line((system.record / OUTCOME).read_bytes())
    assert written["bad"] == ["2.0"]
    assert not record.may_be_tried("2.0")


def test_a_sign_of_the_old_version_is_none_of_the_new_one(system: System) -> None:
    system.publish(make_package(system.folder, "2.0", mute=True))
    system.download()
    system.ask()
    assert system.take()
    (system.state / FOLDER / HEARD).write_text("1.0\n")
    system.go_on(heard_within_s=MUTE_S)
    assert system.version() == "1.0"


def test_a_package_that_cannot_be_installed_gives_way_to_the_old_one(offered: System) -> None:
    assert offered.take()
    (offered.record / "new.deb").write_bytes(b"!<arch>\nnot a package")
    offered.go_on()
    assert offered.version() == offered.running() == "1.0"
    assert "could not be installed" in offered.outcome().reason


def test_a_version_installed_by_hand_meanwhile_stays(offered: System) -> None:
    assert offered.take()
    offered.install("3.0")
    offered.go_on()
    assert offered.version() == "3.0"
    assert offered.outcome().outcome == "superseded"


class Busy(Packages):
    """Another program installs packages all the time, or for a while."""

    def __init__(self, root: Path, times: int) -> None:
        super().__init__(root=root, options=OPTIONS)
        self.times = times

    def install(self, package: Path) -> None:
        self.times -= 1
        if self.times >= 0:
            raise PackagesBusy("dpkg frontend lock was locked by another process")
        super().install(package)


@pytest.mark.parametrize(("times", "ends"), [(3, "2.0"), (10**6, "1.0")])
def test_it_waits_for_other_packages_and_gives_up_without_blaming_the_version(
    offered: System, times: int, ends: str
) -> None:
    assert offered.take()
    offered.go_on(packages=Busy(offered.root, times))
    assert offered.version() == ends
    assert failures(offered) == {}


def test_what_a_power_cut_left_untouched_for_long_is_asked_for_again(offered: System) -> None:
    """The agent comes back in the middle of a class, say; it may not be restarted for an update then."""
    assert offered.take()
    journal = offered.record / "journal.json"
    then = time.time() - FRESH_S - 1
    os.utime(journal, (then, then))
    offered.go_on()
    assert offered.version() == offered.running() == "1.0"
    assert offered.outcome().outcome == "refused"
    assert failures(offered) == {}
    assert not journal.exists()
    offered.ask()
    assert offered.take()
    offered.go_on()
    assert offered.version() == "2.0"


def test_half_an_installation_waits_for_other_packages_as_long_as_it_takes(offered: System) -> None:
    """A power cut has left half a package; what installs others at the boot after it must not make that the end."""
    (offered.state / "cut-postinst-2.0").touch()
    assert offered.take()
    with pytest.raises(PowerCut):
        offered.go_on(packages=Cutting(offered))
    with pytest.raises(PackagesBusy):
        offered.go_on(packages=Busy(offered.root, 10**6))
    offered.go_on()
    assert offered.version() == offered.running() == "2.0"
    assert offered.outcome().outcome == "installed"


def test_dpkg_says_when_it_is_busy(offered: System) -> None:
    assert offered.take()
    lock = offered.root / "var/lib/dpkg/lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl,sys\nf=open({str(lock)!r},'w')\nfcntl.lockf(f,fcntl.LOCK_EX)\n"
         "print('held',flush=True)\nsys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline()
        with pytest.raises(PackagesBusy):
            offered.packages.install(offered.record / "new.deb")
    finally:
        holder.communicate(timeout=10)


def test_the_runner_needs_no_package_but_pythons_own(offered: System) -> None:
    assert offered.take()
    runner = runner_of(offered.record)
    assert packed(runner) == OWN
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-s", "-m", "edge_agent.update.install", "--help"],
        env={"PYTHONPATH": str(runner), "PATH": os.environ["PATH"]},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


# Power cuts.


class PowerCut(BaseException):
    """The computer has no power: nothing after this happens."""


class Fuse:
    """Blows at the `at`-th step."""

    def __init__(self, at: int) -> None:
        self.steps = 0
        self.at = at

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise PowerCut


class FusedFiles(Files):
    """The file system until the power goes."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse

    def __getattribute__(self, name: str) -> Any:
        if name in ("append", "sync", "rename", "remove", "sync_folder", "make_folder"):
            object.__getattribute__(self, "_fuse").step()
        return object.__getattribute__(self, name)


class FusedPackages(Packages):
    """dpkg, before or after which the power may go."""

    def __init__(self, root: Path, fuse: Fuse) -> None:
        super().__init__(root=root, options=OPTIONS)
        self._fuse = fuse

    def install(self, package: Path) -> None:
        self._fuse.step()
        super().install(package)
        self._fuse.step()

    def repack(self, into: Path) -> None:
        self._fuse.step()
        super().repack(into)
        self._fuse.step()


def after_a_cut(system: System, heard_within_s: float) -> None:
    """Boots as often as it takes, as the unit does: at boot, and again after a failure."""
    system.boot()
    for _ in range(4):
        try:
            system.go_on(heard_within_s=heard_within_s)
        except PackageFailed:
            continue
        return
    raise AssertionError("the update does not end")


def test_power_cuts_at_every_step_of_an_installation_end_in_the_new_agent(offered: System) -> None:
    assert offered.take()
    assert cut_everywhere(offered, HEARD_S) == {"2.0"}


def test_power_cuts_at_every_step_of_the_way_back_end_in_the_old_agent(system: System) -> None:
    system.publish(make_package(system.folder, "2.0", mute=True))
    system.download()
    system.ask()
    assert system.take()
    # The steps before are the same as with an agent that is heard.
    record = Record(system.record)
    system.packages.install(record.new)
    record.put(Journal(State.TRYING, "2.0", "1.0"))
    system.handed.discard(HEARD)
    assert cut_everywhere(system, MUTE_S) == {"1.0"}


def cut_everywhere(system: System, heard_within_s: float) -> set[str]:
    """Cuts the power at each step from here to the end of the update; returns the versions that run afterwards."""
    ends = set()
    for agent, fuse in copies_until_safe(system):
        try:
            agent.go_on(FusedFiles(fuse), FusedPackages(agent.root, fuse), heard_within_s=heard_within_s)
        except PowerCut:
            after_a_cut(agent, heard_within_s)
        assert agent.version() == agent.running(), fuse.at
        assert not (agent.record / "journal.json").exists(), fuse.at
        ends.add(agent.version())
    assert fuse.steps >= 20
    return ends


def test_power_cuts_at_every_step_of_the_preparations_leave_the_old_agent_or_all_that_is_needed(
    offered: System,
) -> None:
    for agent, fuse in copies_until_safe(offered):
        with contextlib.suppress(PowerCut):
            assert agent.take(FusedFiles(fuse), FusedPackages(agent.root, fuse))
        assert agent.version() == "1.0"
        if Record(agent.record).journal() is not None:
            for package, version in (("new", "2.0"), ("old", "1.0")):
                assert agent.packages.describe(agent.record / f"{package}.deb").version == version
            assert packed(runner_of(agent.record)) == OWN
        agent.go_on()  # what the unit does at the next boot
    assert fuse.steps >= 12


def test_a_power_cut_while_the_old_package_is_packed_leaves_nothing_behind_for_ever(offered: System) -> None:
    left = offered.record / "repack-cut" / "threedance-agent"
    left.mkdir(parents=True)
    (left / "version").write_text("1.0")
    assert offered.take()
    assert not list(offered.record.glob("repack-*"))


def packed(archive: Path) -> dict[str, bytes]:
    """Returns what lies in a zip file."""
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def copies_until_safe(system: System) -> Iterator[tuple[System, Fuse]]:
    """Yields copies of a system, each with a fuse that blows one step later, until one does not blow any more."""
    for at in range(1, 1000):
        agent, fuse = system.copy(system.folder / f"cut-{at}"), Fuse(at)
        agent.boot()
        try:
            yield agent, fuse
        finally:
            agent.stop()
            shutil.rmtree(agent.folder)
        if fuse.steps < at:
            return
    raise AssertionError("it does not end")


@pytest.mark.parametrize(
    "script", ["prerm-1.0", "preinst-2.0", "postrm-1.0", "postinst-2.0", "prerm-2.0", "postinst-1.0"]
)
@pytest.mark.parametrize("mute", [False, True], ids=["heard", "mute"])
def test_dpkg_itself_may_be_cut_anywhere(system: System, script: str, mute: bool) -> None:
    system.publish(make_package(system.folder, "2.0", mute=mute))
    system.download()
    system.ask()
    (system.state / f"cut-{script}").touch()
    assert system.take()
    heard_within_s = MUTE_S if mute else HEARD_S
    try:
        system.go_on(packages=Cutting(system), heard_within_s=heard_within_s)
    except PowerCut:
        after_a_cut(system, heard_within_s)
    assert system.version() == system.running() == ("1.0" if mute else "2.0")


class Cutting(Packages):
    """A dpkg that is killed takes the whole computer down with it."""

    def __init__(self, system: System) -> None:
        super().__init__(root=system.root, options=OPTIONS)
        self._system = system

    def install(self, package: Path) -> None:
        cuts = set(self._system.state.glob("cut-*"))
        try:
            super().install(package)
        except PackageFailed as error:
            if set(self._system.state.glob("cut-*")) != cuts:
                raise PowerCut from error
            raise


def test_a_version_that_takes_the_computer_down_is_taken_back(offered: System) -> None:
    assert offered.take()
    for _ in range(3):  # power goes while it is installed
        fuse = Fuse(0)
        packages = FusedPackages(offered.root, fuse)
        fuse.at = 1
        with pytest.raises(PowerCut):
            offered.go_on(packages=packages)
    offered.go_on()
    assert offered.version() == "1.0"
    assert "stopped 3 times" in offered.outcome().reason


@pytest.mark.parametrize("harm", [lambda data: b"", lambda data: data[:-20], lambda data: b"x" + data[1:]])
def test_a_damaged_journal_leads_back(offered: System, harm: Callable[[bytes], bytes]) -> None:
    assert offered.take()
    journal = offered.record / "journal.json"
    journal.write_bytes(harm(journal.read_bytes()))
    offered.go_on()
    assert offered.version() == offered.running() == "1.0"


def test_the_states_of_a_journal_survive_the_disk(tmp_path: Path) -> None:
    record = Record(tmp_path)
    for state in State:
        written = record.put(Journal(state, "2.0", "1.0", starts=1, reason="why"))
        assert record.journal() == written
