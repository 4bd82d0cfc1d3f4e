"""The power may go at any step of any work: what was promised is there, once. A seed names each run."""

import errno
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.edge_agent.spool.power_trial import Trial, judge, power_cuts
from tests.rigs.power import cut

MEMORY = Path("/dev/shm")


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the machine has that: the model counts what is synced, the disk need not."""
    folder = Path(mkdtemp(dir=MEMORY)) if MEMORY.is_dir() else tmp_path
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(6))
def test_a_power_cut_at_any_step_breaks_no_promise(fast: Path, seed: int) -> None:
    trial = Trial(fast / "state", seed)
    trial.work(14)
    cuts = fast / "cuts"
    cuts.mkdir()
    assert power_cuts(trial, cuts, random.Random(seed), each=4) > 100


@pytest.mark.faults
@pytest.mark.parametrize(("error", "fail_for"), [(errno.ENOSPC, 1), (errno.EIO, 7)])
def test_a_step_that_the_disk_refuses_breaks_no_promise(fast: Path, error: int, fail_for: int) -> None:
    """Every step in turn: each write, half of it done; each sync, rename, removal, new folder and row of the index."""
    script = (
        "append",
        "append",
        "gap",
        "append",
        "account",
        "close",
        "append",
        "kill",
        "append",
        "intend",
        "commit",
        "clean",
    )
    plain = Trial(fast / "plain", 3)
    plain.work(script)
    steps = len(plain.files.moments)
    assert steps > 50
    dice = random.Random(error)
    for number in range(steps):
        trial = Trial(fast / f"{number}", 3, fail_at=number, error=error, fail_for=fail_for)
        trial.work((*script, "restart", "append", "close"))
        last = trial.files.moments[-1]
        after = fast / f"{number}-after"
        cut(last, after, dice, keep=1)
        judge(trial, last, after, index_survived=True)
        cuts = fast / f"{number}-cuts"
        cuts.mkdir()
        trial.files.moments = dice.sample(trial.files.moments[number:], 3)
        power_cuts(trial, cuts, dice, each=1)
