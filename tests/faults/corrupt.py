"""Bad bytes by the ten thousand: bits flipped, tails cut, sectors of zeros, pieces doubled, in all that the box reads.

A case is good where the box goes on within five seconds, and everything it would send afterwards is what it made, or is
known to be damaged. A damage that cannot be told from the truth is a broken promise.
"""

import contextlib
import json
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import msgspec

from edge_agent.control.config_store import ConfigStore
from edge_agent.control.session import Candidate, Desires, Session
from edge_agent.errors import AgentError, SettingsInvalid
from edge_agent.settings import Settings, load_settings, save_settings
from edge_agent.spool.layout import CLOSED, JOURNAL, MANIFEST, OPEN
from shared.protocol.codec import encode
from shared.protocol.config import AgentConfig, config_document
from shared.protocol.ids import SegmentId
from shared.protocol.manifest import SegmentManifest
from shared.protocol.messages import Desired
from tests.edge_agent.core.box import AGENT, CAMERAS, EMPTY, STUDIO, ordered
from tests.edge_agent.spool.trial import Trial, Violation, numbers_in
from tests.faults.power import MEMORY

SECTOR_BYTES = 512
TOO_LONG_S = 5.0
ACTIONS = ("append",) * 9 + ("close", "append", "append", "gap", "account", "append")


@dataclass(frozen=True)
class Case:
    """One damage: to which kind of thing, by which seed, and what became of it."""

    kind: str
    seed: int
    violation: str = ""


def spoil(data: bytes, dice: random.Random) -> bytes:
    """Returns `data` with one damage that disks and lines do; never `data` itself unless it is empty."""
    if not data:
        return data
    place = dice.randrange(len(data))
    end = min(len(data), place + dice.choice((1, 4, 64, SECTOR_BYTES)))
    spoilt = dice.choice(
        (
            data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[place + 1 :],
            data[:place],
            data[:place] + bytes(end - place) + data[end:],
            data[:end] + data[place:],
            data[:place] + dice.randbytes(end - place) + data[end:],
            data[:place] + data[end:],
        )
    )
    return spoilt if spoilt != data else data[:-1]


class SpoolCases:
    """A spool as a killed agent leaves it: closed segments, one open, a gap, accounts, the index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trial = Trial(folder / "whole", 7)
        self.trial.work(ACTIONS)
        self.whole = folder / "whole"
        probe = self._copied("probe")
        self.truth = self._manifests(probe)
        self.numbers = {i: self._read_back(probe, manifest) for i, manifest in self.truth.items()}
        assert len(self.truth) > 3

    def spoil(self, suffixes: tuple[str, ...], dice: random.Random) -> None:
        """Damages one file of these kinds and starts the box on it.

        Raises:
            Violation: the box does not go on, or takes the damage for the truth.
        """
        state = self._copied("spoilt")
        try:
            victim = dice.choice([p for p in sorted(state.rglob("*")) if p.name.endswith(suffixes)])
            victim.write_bytes(spoil(victim.read_bytes(), dice))
            if not victim.name.startswith("index") and dice.random() < 0.5:
                (state / "index.sqlite").unlink()
            try:
                found = self._manifests(state)
            except (AgentError, OSError, sqlite3.Error, msgspec.MsgspecError, ValueError) as error:
                raise Violation(f"{victim.suffix}: the box does not start: {error!r}") from error
            for segment_id, manifest in found.items():
                self._judge(state, segment_id, manifest)
        finally:
            shutil.rmtree(state)

    def _judge(self, state: Path, segment_id: SegmentId, manifest: SegmentManifest) -> None:
        whole = self.truth.get(segment_id)
        if whole is None:
            raise Violation("a segment that never was is sent")
        try:
            numbers = self._read_back(state, manifest)
        except Violation:
            return  # its bytes are not what its manifest says: it is found before it is sent
        except Exception as error:
            raise Violation(f"a segment is sent that does not open: {error!r}") from error
        same = msgspec.structs.replace(
            manifest, closed_at=whole.closed_at, recovered=whole.recovered, clock=whole.clock
        )
        if manifest.recovered and numbers == self.numbers[segment_id][: len(numbers)]:
            return
        if same != whole or numbers != self.numbers[segment_id] or manifest.clock != whole.clock:
            raise Violation(f"{segment_id} is sent with a manifest that is not its own")

    def _manifests(self, state: Path) -> dict[SegmentId, SegmentManifest]:
        self.trial.studio.state = state
        spool = self.trial.studio.open_spool()
        try:
            return {waiting.manifest.segment_id: waiting.manifest for waiting in spool.pending(1000)}
        finally:
            spool.close()

    def _read_back(self, state: Path, manifest: SegmentManifest) -> list[int]:
        self.trial.studio.state = state
        spool = self.trial.studio.open_spool()
        try:
            return list(numbers_in(self.trial.studio, spool, manifest))
        except OSError as error:
            raise Violation(str(error)) from error
        finally:
            spool.close()

    def _copied(self, name: str) -> Path:
        return Path(shutil.copytree(self.whole, self.folder / name))


class ConfigCases:
    """The configuration on the disk, and the settings of the box."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def spoil(self, dice: random.Random) -> None:
        """Damages one file and starts the box on it.

        Raises:
            Violation: it does not go on, or does what nobody configured.
        """
        state = self.folder / "state"
        state.mkdir()
        try:
            store = ConfigStore(state / "config", AGENT)
            store.load()
            documents = [_document(1), _document(2)]
            for document in documents:
                store.stage(document)
                if document is documents[0]:
                    store.accept()
            save_settings(state, Settings(media={"left.mp4": "/srv/left.mp4"}))
            victim = dice.choice(sorted(p for p in state.rglob("*") if p.is_file()))
            victim.write_bytes(spoil(victim.read_bytes(), dice))
            again = ConfigStore(state / "config", AGENT)
            again.load()
            for config in (again.applied, again.candidate):
                if config is not None and config not in documents:
                    raise Violation(f"{victim.name}: a configuration that nobody made is in force")
            with contextlib.suppress(SettingsInvalid):
                load_settings(state)
        finally:
            shutil.rmtree(state)


def message(dice: random.Random) -> None:
    """Hands the box a damaged frame.

    Raises:
        Violation: it takes a configuration that nobody made.
    """
    document = _document(3)
    event = Session(Desires(AGENT, STUDIO, (2, "")), "1").receive(
        spoil(encode(Desired(config=document)), dice)
    )
    if isinstance(event, Candidate) and event.config != document:
        raise Violation("a damaged frame is taken for a configuration")


def _document(version: int) -> AgentConfig:
    body = msgspec.structs.replace(EMPTY, cameras=tuple(CAMERAS.values())[:version], recordings=(_ORDER,))
    return config_document(AGENT, version, body)


_ORDER = ordered()


def run(count: int, seed: int) -> Iterator[Case]:
    """Yields `count` cases of each kind."""
    folder = Path(mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    try:
        spool, config = SpoolCases(folder), ConfigCases(folder)
        kinds: dict[str, Callable[[random.Random], None]] = {
            "segment": lambda dice: spool.spoil((OPEN, CLOSED), dice),
            "journal": lambda dice: spool.spoil((JOURNAL,), dice),
            "manifest": lambda dice: spool.spoil((MANIFEST,), dice),
            "index": lambda dice: spool.spoil((".sqlite", ".sqlite-wal"), dice),
            "configuration": config.spoil,
            "message": message,
        }
        for kind, damage in kinds.items():
            for number in range(count):
                began_s = time.monotonic()
                try:
                    damage(random.Random(f"{kind}-{seed + number}"))
                    took_s = time.monotonic() - began_s
                    yield Case(kind, seed + number, f"took {took_s:.1f} s" if took_s > TOO_LONG_S else "")
                except Exception as error:
                    yield Case(
                        kind, seed + number, str(error) if isinstance(error, Violation) else repr(error)
                    )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def report(cases: Iterator[Case]) -> int:
    """Prints a line for each kind and each violation; returns how many promises were broken."""
    counts: dict[str, int] = {}
    broken: list[Case] = []
    for case in cases:
        counts[case.kind] = counts.get(case.kind, 0) + 1
        if case.violation:
            broken.append(case)
            print(f"  BROKEN {case.kind} seed {case.seed}: {case.violation}", flush=True)
    print(json.dumps({"damages": counts, "broken": len(broken)}))
    return len(broken)
