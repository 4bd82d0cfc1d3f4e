"""Power cuts by the ten thousand: trials of the real spool on `tests.rigs.power`, each with a seed that names it."""

import itertools
import random
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tests.edge_agent.spool.power_trial import Trial, Violation, power_cuts

MEMORY = Path("/dev/shm")
SHORT = ("append", "close", "gap", "intend", "commit", "clean", "kill")
EACH = 8
ACTIONS = 25


@dataclass(frozen=True)
class Task:
    """One trial: by dice, or exactly these actions."""

    seed: int
    actions: int | tuple[str, ...]
    each: int


@dataclass(frozen=True)
class Outcome:
    """Outcome of a trial."""

    task: Task
    cuts: int
    violation: str = ""


def by_dice(first_seed: int) -> Iterator[Task]:
    """Yields long trials for ever."""
    for seed in itertools.count(first_seed):
        yield Task(seed, ACTIONS, EACH)


def all_short(length: int) -> Iterator[Task]:
    """Yields every sequence of `length` actions that begins with a fragment."""
    for rest in itertools.product(SHORT, repeat=length - 1):
        yield Task(1, ("append", *rest), 2)


def run(tasks: Iterator[Task], *, cuts: int, processes: int = 2) -> Iterator[Outcome]:
    """Yields outcomes until so many cuts are made or the tasks are done."""
    made = 0
    with ProcessPoolExecutor(processes) as pool:
        waiting = {pool.submit(_try, task) for task in itertools.islice(tasks, processes * 2)}
        while waiting:
            done = next(as_completed(waiting))
            waiting.remove(done)
            outcome = done.result()
            made += outcome.cuts
            yield outcome
            if made < cuts and (task := next(tasks, None)):
                waiting.add(pool.submit(_try, task))


def _try(task: Task) -> Outcome:
    folder = Path(mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    try:
        trial = Trial(folder / "state", task.seed)
        trial.work(task.actions)
        cuts = folder / "cuts"
        cuts.mkdir()
        return Outcome(task, power_cuts(trial, cuts, random.Random(task.seed), each=task.each))
    except Violation as violation:
        return Outcome(task, 0, str(violation))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def report(outcomes: Iterator[Outcome], *, cuts: int) -> int:
    """Prints how far it is and what was broken; returns how many promises were."""
    began_s, made, trials, broken = time.monotonic(), 0, 0, 0
    for outcome in outcomes:
        trials, made = trials + 1, made + outcome.cuts
        if outcome.violation:
            broken += 1
            print(f"BROKEN seed {outcome.task.seed} {outcome.task.actions}: {outcome.violation}", flush=True)
        if trials % 20 == 0:
            print(f"  {made} of {cuts} power cuts, {broken} broken promises", flush=True)
    print(
        f"{made} power cuts in {trials} trials, {broken} broken promises, {time.monotonic() - began_s:.0f} s"
    )
    return broken
