"""The configuration on disk: the one in force, the candidate on trial, and the last failure.

A candidate is durable before it is applied, and in force once its trial has passed. Credentials stay sealed.
"""

import logging
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_agent.checksummed_lines import Damaged, from_line, to_line
from edge_agent.files import FILES, Files
from shared.protocol.config import AgentConfig
from shared.protocol.ids import AgentId
from shared.protocol.status import ConfigStatus, Reported

T = TypeVar("T")

log = logging.getLogger(__name__)

STARTS_OF_A_CANDIDATE = 2
"""Number of starts with the same candidate on trial before the agent returns to the last good configuration."""


class _Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """`starts` counts the agent's starts while this candidate was on trial."""

    config: AgentConfig
    starts: int = 0


class _Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The newest configuration that did not work."""

    version: int
    hash: str | None
    error: str


class ConfigStore:
    """Three small files in one folder, each replaced as a whole. Used by one task.

    If a method raises OSError (a full disk), its change still holds in memory until the agent stops.
    """

    def __init__(self, folder: Path, agent_id: AgentId, *, files: Files = FILES) -> None:
        self._folder = folder
        self._files = files
        self._agent_id = agent_id
        self.applied: AgentConfig | None = None
        self._candidate: _Candidate | None = None
        self._failed: _Failed | None = None

    @property
    def candidate(self) -> AgentConfig | None:
        """The configuration being tried, or None."""
        return self._candidate.config if self._candidate else None

    @property
    def newest(self) -> tuple[int, str] | None:
        """Version and hash of the newest configuration received, applied or not."""
        met = [(c.version, c.hash) for c in (self.applied, self.candidate) if c is not None]
        if self._failed is not None and self._failed.hash is not None:
            met.append((self._failed.version, self._failed.hash))
        # Versions only rise, so the maximum is the newest.
        return max(met, default=None)

    def load(self) -> None:
        """Reads the files. A damaged one, or one of another agent, is renamed: the control plane sends it again.

        A candidate that the agent has started with `STARTS_OF_A_CANDIDATE` times is rejected: it may cause the crashes.
        """
        self._files.ensure_folder(self._folder)
        self.applied = self._read("applied", AgentConfig)
        self._candidate = self._read("candidate", _Candidate)
        self._failed = self._read("failed", _Failed)
        for name, config in (("applied", self.applied), ("candidate", self.candidate)):
            if config is not None and config.agent_id != self._agent_id:
                self._quarantine(name)
        if self.applied is not None and self.applied.agent_id != self._agent_id:
            self.applied, self._failed = None, None
        if self._candidate is None:
            return
        if self._candidate.config.agent_id != self._agent_id:
            self._candidate = None
        elif self.applied is not None and self._candidate.config.version <= self.applied.version:
            # A crash between accepting it and removing the candidate file.
            self._candidate = None
            self._files.discard(self._path("candidate"))
        elif self.applied is not None and self._candidate.starts >= STARTS_OF_A_CANDIDATE:
            self.reject(f"the agent stopped {self._candidate.starts} times while trying it")
        else:
            self._put_candidate(self._candidate.config, self._candidate.starts + 1)

    def read_only(self) -> AgentConfig | None:
        """Returns the configuration that an agent would start with, without changing the disk."""
        try:
            candidate = self._parsed("candidate", _Candidate)
            applied = self._parsed("applied", AgentConfig)
        except (Damaged, OSError):
            return None
        found = [candidate.config if candidate else None, applied]
        return next((c for c in found if c is not None and c.agent_id == self._agent_id), None)

    def stage(self, config: AgentConfig) -> None:
        """Makes `config` the candidate, durable when this returns. It replaces an older candidate."""
        self._put_candidate(config, 0)

    def accept(self) -> None:
        """Puts the candidate in force: its trial has passed."""
        if self._candidate is None:
            return
        self.applied, self._candidate, self._failed = self._candidate.config, None, None
        self._files.write(self._path("applied"), to_line(self.applied))
        self._files.discard(self._path("candidate"))
        self._files.discard(self._path("failed"))

    def reject(self, error: str) -> None:
        """Drops the candidate; `applied` is in force again."""
        if self._candidate is None:
            return
        config = self._candidate.config
        self._put_failed(_Failed(version=config.version, hash=config.hash, error=error))
        self._candidate = None
        self._files.discard(self._path("candidate"))

    def refuse(self, version: int | None, error: str) -> None:
        """Records a configuration that was never applied: unreadable, or for another agent."""
        self._put_failed(_Failed(version=version or 0, hash=None, error=error))

    def reported(self) -> Reported:
        """Returns the report for the control plane: what is in force, and what became of the newest."""
        if self._candidate is not None:
            config, status = self._candidate.config, ConfigStatus.APPLYING
            return Reported(version=config.version, hash=config.hash, status=status)
        version, hash_ = (self.applied.version, self.applied.hash) if self.applied else (0, None)
        if self._failed is None:
            return Reported(version=version, hash=hash_, status=ConfigStatus.APPLIED)
        return Reported(
            version=version,
            hash=hash_,
            status=ConfigStatus.FAILED,
            error=self._failed.error,
            failed_version=self._failed.version,
        )

    def _put_candidate(self, config: AgentConfig, starts: int) -> None:
        self._candidate = _Candidate(config=config, starts=starts)
        self._files.write(self._path("candidate"), to_line(self._candidate))

    def _put_failed(self, failed: _Failed) -> None:
        self._failed = failed
        self._files.write(self._path("failed"), to_line(failed))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _parsed(self, name: str, type_: type[T]) -> T | None:
        try:
            return from_line(self._path(name).read_bytes(), type_)
        except FileNotFoundError:
            return None

    def _read(self, name: str, type_: type[T]) -> T | None:
        try:
            return self._parsed(name, type_)
        except Damaged as error:
            log.error(
                "a configuration file is damaged and was renamed", extra={"file": name, "error": str(error)}
            )
            self._quarantine(name)
            return None

    def _quarantine(self, name: str) -> None:
        self._files.rename(self._path(name), self._folder / f"{name}.set-aside.json")
