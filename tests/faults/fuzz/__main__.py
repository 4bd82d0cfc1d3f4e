"""`python -m tests.faults.fuzz [TARGET ...] [SECONDS] [--seed S] [--corpus FOLDER] [--notes FILE]`: each target under
atheris for so many seconds of processor time (an hour divided by all where none are named), and a table of what it took.

A target is an area (`wire`, `disk`, `camera`, `server`) or one of its targets (`wire.frame`). What is found lies in the
corpus folder; `python -m tests.faults.fuzz.worker TARGET FILE` runs it again.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import msgspec

from tests.faults.fuzz.target import MEMORY, SCRATCH

AREAS = ("wire", "disk", "camera", "server")
HERE = Path(__file__).parent
ALL_S = 3600
FINDS_MOST = 5
"""After so many of one target somebody has to look first."""
START_S = 300
SLOWEST = 30
"""Time that a worker may take to begin; and by how much others may slow it on a busy machine."""
_STAT = re.compile(rb"^watch::(\w+): (\d+)", re.MULTILINE)
_COVERAGE = re.compile(rb"cov: (\d+) ft: (\d+)")
_ERROR = re.compile(
    rb"^(?:\S*(?:Error|Exception|Violation)\b.*|ERROR: libFuzzer: .*|==\d+== ERROR: .*)$", re.MULTILINE
)
_NAME = re.compile(r'^    "(\w+)": Target\(', re.MULTILINE)


@dataclass
class Run:
    """Usage of one target, over all its runs."""

    target: str
    executions: int = 0
    cpu_s: float = 0.0
    edges: int = 0
    features: int = 0
    slowest_ms: int = 0
    grown_mib: int = 0
    finds: list[str] = field(default_factory=list)


def names() -> list[str]:
    """Returns every target, read from the text of its area: importing one would leave it without coverage."""
    return [f"{area}.{name}" for area in AREAS for name in _NAME.findall((HERE / f"{area}.py").read_text())]


def fuzz(target: str, seconds: float, corpus: Path, seed: int) -> Run:
    """Runs one target for so many seconds of processor time, anew after each find."""
    run = Run(target)
    folder, finds = corpus / target, corpus / "finds"
    folder.mkdir(parents=True, exist_ok=True)
    finds.mkdir(exist_ok=True)
    while run.cpu_s < seconds and len(run.finds) < FINDS_MOST:
        left_s = max(1, round(seconds - run.cpu_s))
        before_s = _children_s()
        output = _worker(target, folder, finds, seconds=left_s, seed=seed + len(run.finds))
        run.cpu_s += _children_s() - before_s
        _add(run, output)
        if not run.finds and run.executions == 0:
            run.finds.append(f"it does not start: {output[-500:].decode('utf-8', 'replace')}")
            break
    return run


def _worker(target: str, folder: Path, finds: Path, *, seconds: int, seed: int) -> bytes:
    command = [
        sys.executable, "-m", "tests.faults.fuzz.worker", target, str(folder), f"-seed={seed + 1}",
        f"-artifact_prefix={finds}/{target}-",
    ]  # fmt: skip
    with TemporaryDirectory(prefix="fuzz-", dir=MEMORY if MEMORY.is_dir() else None) as scratch:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, SCRATCH: scratch, "FUZZ_CPU_S": str(seconds)},
            timeout=START_S + seconds * SLOWEST,
            check=False,
        )
    return done.stdout


def _add(run: Run, output: bytes) -> None:
    stats = {name.decode(): int(value) for name, value in _STAT.findall(output)}
    run.executions += stats.get("executions", 0)
    run.slowest_ms = max(run.slowest_ms, stats.get("slowest_ms", 0))
    run.grown_mib = max(run.grown_mib, stats.get("grown_mib", 0))
    if covered := _COVERAGE.findall(output):
        run.edges, run.features = (int(value) for value in covered[-1])
    if b"Test unit written to" in output:
        said = [line.decode("utf-8", "replace") for line in _ERROR.findall(output)]
        where = re.findall(rb"Test unit written to (\S+)", output)[-1].decode()
        run.finds.append(f"{(said or ['?'])[0][:200]} ({Path(where).name})")


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(runs: list[Run]) -> Iterator[str]:
    """Yields the lines of the summary."""
    yield "| target | executions | per CPU-s | edges, features | slowest input | memory grew by | finds |"
    yield "|---|---|---|---|---|---|---|"
    for run in runs:
        pace = round(run.executions / run.cpu_s) if run.cpu_s else 0
        yield (
            f"| {run.target} | {run.executions:,} | {pace:,} | {run.edges}, {run.features} | "
            f"{run.slowest_ms} ms | {run.grown_mib} MiB | {len(run.finds)} |"
        )
    executions, cpu_s = sum(run.executions for run in runs), sum(run.cpu_s for run in runs)
    yield f"{len(runs)} targets, {executions:,} executions, {cpu_s:.0f} s of processor time"


def main() -> None:
    """Fuzzes and reports; exits with 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", help="areas, targets, and at the end the seconds for each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, help="keeps what was learned, and the finds, for the next run")
    parser.add_argument("--notes", type=Path, help="adds a line of JSON for each target to this file")
    given = parser.parse_args()
    chosen = list(given.what)
    seconds = float(chosen.pop()) if chosen and chosen[-1].isdigit() else None
    known = names()
    targets = [name for name in known if not chosen or name in chosen or name.partition(".")[0] in chosen]
    if unknown := set(chosen) - {*known, *AREAS}:
        sys.exit(f"no target {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    corpus = given.corpus or Path(mkdtemp(prefix="fuzz-"))
    runs = []
    for number, target in enumerate(targets, start=1):
        began_s = time.monotonic()
        run = fuzz(target, seconds or ALL_S / len(targets), corpus.resolve(), given.seed)
        runs.append(run)
        print(
            f"  {number} of {len(targets)}: {target}, {run.executions:,} executions, {len(run.finds)} finds, "
            f"{time.monotonic() - began_s:.0f} s",
            flush=True,
        )
        for find in run.finds:
            print(f"    {find}", flush=True)
        if given.notes:
            with given.notes.open("ab") as file:
                file.write(msgspec.json.encode(run) + b"\n")
    print("\n".join(table(runs)))
    print(f"corpus and finds: {corpus}")
    sys.exit(any(run.finds for run in runs))


if __name__ == "__main__":
    main()
