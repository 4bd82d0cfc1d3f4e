"""Bad bytes by the ten thousand: bits flipped, tails cut, sectors of zeros, pieces doubled, in all that the agent reads.

A case is good where the agent goes on within five seconds, and each thing is there as it was or the agent has said what it
lost. A damage that cannot be told from the truth is a broken promise. The agent's own settings are the exception that
is counted apart: people write that file, so what is valid there is taken as meant.
"""

import json
import logging
import random
import resource
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import msgspec

from edge_agent.control.config_store import ConfigStore
from edge_agent.control.session import Candidate, ConfigFilter, Ignored, Refusal, Session
from edge_agent.errors import SettingsInvalid
from edge_agent.settings import Settings, load_settings, save_settings
from edge_agent.spool.layout import CLOSED, JOURNAL, MANIFEST, OPEN
from shared.protocol.codec import encode
from shared.protocol.config import AgentConfig, config_document
from shared.protocol.messages import pushed
from shared.protocol.version import PROTOCOL_VERSION
from tests.edge_agent.core.fake_agent import AGENT, CAMERAS, EMPTY, STUDIO, ordered
from tests.edge_agent.spool.power_trial import Violation
from tests.faults.power import MEMORY
from tests.faults.spoil import spoil, told
from tests.faults.spoilt_spool import SpoolCases

TOO_LONG_S = 5.0
KINDS = ("segment", "journal", "manifest", "index", "configuration", "settings", "message")


@dataclass(frozen=True)
class Case:
    """One damage: to which kind of thing, by which seed, and what became of it.

    `noticed`: the agent has said that something is wrong; otherwise all is as it was.
    """

    kind: str
    seed: int
    noticed: bool = False
    violation: str = ""
    took_s: float = 0.0


class ConfigCases:
    """The configuration on the disk, and the settings of the agent."""

    def __init__(self, folder: Path) -> None:
        self._state = folder / "state"
        self._documents = [_document(1), _document(2)]
        store = ConfigStore(self._state / "config", AGENT)
        store.load()
        for document in self._documents:
            store.stage(document)
            if document is self._documents[0]:
                store.accept()
        self._files = {path: path.read_bytes() for path in (self._state / "config").iterdir()}
        self._settings = Settings(media={"left.mp4": "/srv/left.mp4"})
        save_settings(self._state, self._settings)
        self._settings_file = next(self._state.glob("*.toml"))
        self._toml = self._settings_file.read_bytes()

    def spoil(self, dice: random.Random) -> bool:
        """Damages one file of the configuration and starts the agent on it.

        Raises:
            Violation: it does what nobody configured, or is silent about what it lost.
        """
        for path in (self._state / "config").iterdir():
            path.unlink()
        victim = dice.choice(sorted(self._files))
        for path, data in self._files.items():
            path.write_bytes(spoil(data, dice) if path == victim else data)
        spoilt = victim.read_bytes()
        again = ConfigStore(self._state / "config", AGENT)
        again.load()
        applied, candidate = self._documents
        found = {"applied": again.applied, "candidate": again.candidate}
        truth = {"applied": applied, "candidate": candidate}
        for name, config in found.items():
            if config is not None and config != truth[name]:
                raise Violation(f"{name}: nobody made it ({told(self._files[victim], spoilt)})")
        aside = [path.name for path in (self._state / "config").glob("*.set-aside.json")]
        if found != truth and aside != [f"{victim.stem}.set-aside.json"]:
            raise Violation(f"{victim.name} is lost and nothing said ({told(self._files[victim], spoilt)})")
        return bool(aside)

    def spoil_settings(self, dice: random.Random) -> bool:
        """Damages the agent's own settings: they are refused with their name, or valid.

        Raises:
            Violation: the error does not say where to look.
        """
        self._settings_file.write_bytes(spoil(self._toml, dice))
        try:
            return load_settings(self._state) != self._settings
        except SettingsInvalid as error:
            if self._settings_file.name not in str(error) or not error.hint:
                raise Violation(f"the error does not name the file: {error}") from error
            return True


def message(dice: random.Random) -> bool:
    """Hands the agent a damaged frame.

    Raises:
        Violation: it takes a configuration that nobody made.
    """
    document = _document(3)
    whole = encode(pushed(document, protocol=PROTOCOL_VERSION))
    spoilt = spoil(whole, dice)
    event = Session(ConfigFilter(AGENT, STUDIO, (2, "")), "1").receive(spoilt)
    if isinstance(event, Candidate) and event.config == document:
        return False
    if not isinstance(event, Refusal | Ignored):
        raise Violation(f"a damaged frame is taken for {event!r:.60} ({told(whole, spoilt)})")
    return True


def _document(version: int) -> AgentConfig:
    body = msgspec.structs.replace(EMPTY, cameras=tuple(CAMERAS.values())[:version], recordings=(_ORDER,))
    return config_document(AGENT, version, body)


_ORDER = ordered()


def run(count: int, seed: int, kinds: Iterable[str] = KINDS) -> Iterator[Case]:
    """Yields `count` cases of each kind, from `seed` on."""
    folder = Path(mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    try:
        spool, config = SpoolCases(folder), ConfigCases(folder)
        damages: dict[str, Callable[[random.Random], bool]] = {
            "segment": lambda dice: spool.spoil((OPEN, CLOSED), dice),
            "journal": lambda dice: spool.spoil((JOURNAL,), dice),
            "manifest": lambda dice: spool.spoil((MANIFEST,), dice),
            "index": lambda dice: spool.spoil((".sqlite", ".sqlite-wal"), dice),
            "configuration": config.spoil,
            "settings": config.spoil_settings,
            "message": message,
        }
        for kind in kinds:
            for number in range(seed, seed + count):
                yield _case(kind, number, damages[kind])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _case(kind: str, seed: int, damage: Callable[[random.Random], bool]) -> Case:
    began_s = time.monotonic()
    noticed, violation = False, ""
    try:
        noticed = damage(random.Random(f"{kind}-{seed}"))
    except Violation as error:
        violation = str(error)
    except Exception as error:
        violation = f"it does not go on: {error!r}"
    took_s = time.monotonic() - began_s
    return Case(
        kind, seed, noticed, violation or (f"took {took_s:.1f} s" if took_s > TOO_LONG_S else ""), took_s
    )


class Tally(msgspec.Struct, kw_only=True):
    """Outcome of the damages of one kind; `next_seed` is where another run goes on."""

    next_seed: int
    damages: int = 0
    noticed: int = 0
    harmless: int = 0
    broken: list[str] = []
    longest_s: float = 0.0
    grown_mib: float = 0.0
    """By how much the process grew while it worked on this kind."""
    cpu_s: float = 0.0


def report(count: int, seed: int, kinds: Iterable[str] = KINDS, notes: Path | None = None) -> int:
    """Makes `count` damages of each of these kinds; prints a line for each kind, and each broken promise.

    Returns how many promises were broken. `notes`: keeps the tallies in this file, and goes on where it ends.
    """
    tallies: dict[str, Tally] = {}
    if notes is not None and notes.exists():
        tallies = msgspec.json.decode(notes.read_bytes(), type=dict[str, Tally])
    logging.getLogger("edge_agent.control").setLevel(logging.CRITICAL)
    for start in range(0, count, SLICE):
        for kind in kinds:
            tally = tallies.setdefault(kind, Tally(next_seed=seed))
            slice_ = min(SLICE, start + SLICE, count - start, seed + count - tally.next_seed)
            if tally.next_seed - seed <= start and slice_ > 0:
                _add(tally, run(slice_, tally.next_seed, (kind,)))
            if notes is not None:
                notes.write_bytes(msgspec.json.format(msgspec.json.encode(tallies)))
        print(f"  {min(start + SLICE, count)} of {count} of each kind", flush=True)
    for kind, tally in tallies.items():
        print(json.dumps({kind: msgspec.to_builtins(tally)}))
    return sum(len(tally.broken) for tally in tallies.values())


SLICE = 500


def _add(tally: Tally, cases: Iterator[Case]) -> None:
    began_mib, began_s = _peak_mib(), time.process_time()
    for case in cases:
        tally.next_seed = case.seed + 1
        tally.damages += 1
        tally.longest_s = max(tally.longest_s, round(case.took_s, 3))
        if case.violation:
            tally.broken.append(f"{case.kind} seed {case.seed}: {case.violation}")
            print(f"  BROKEN {tally.broken[-1]}", flush=True)
        elif case.noticed:
            tally.noticed += 1
        else:
            tally.harmless += 1
    tally.grown_mib = round(max(tally.grown_mib, _peak_mib() - began_mib), 1)
    tally.cpu_s = round(tally.cpu_s + time.process_time() - began_s, 1)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
