"""`python -m tests.faults.fuzz.worker AREA.TARGET FOLDER|FILE [libFuzzer's options]`: one target under atheris, for
`FUZZ_CPU_S` seconds of processor time or until it finds something. Prints what it took; writes the input that broke a
promise beside `-artifact_prefix`. With a file in place of the corpus folder, that input alone."""

import logging
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import atheris

LIMIT_MIB = 256
"""By so much the process may grow, whatever comes."""
TIMEOUT_S = 5
CPU_S = "FUZZ_CPU_S"
OURS = [
    "edge_agent",
    "shared",
    "control_plane.audit",
    "control_plane.config.env",
    "control_plane.fleet.status_limits",
    "control_plane.fleet.tokens",
    "control_plane.ingest.manifests",
    "control_plane.ingest.targets",
    "control_plane.recordings.fragments",
    "control_plane.recordings.playback.playlist",
    "control_plane.recordings.playback.ranges",
    "control_plane.recordings.timeline",
    "control_plane.storage.s3_config",
    "control_plane.keys.roots.file",
]
"""Modules whose coverage guides the fuzzer."""


def main() -> None:
    """Runs the target that the first argument names."""
    area, _, name = sys.argv[1].partition(".")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    with atheris.instrument_imports(include=OURS, enable_loader_override=False):
        if area == "server":
            import django

            django.setup()
        target = import_module(f"tests.faults.fuzz.{area}").TARGETS[name]
    logging.disable(logging.CRITICAL)
    corpus = Path(sys.argv[2])
    for number, seed in enumerate(target.seeds()):
        target.one(seed)
        if corpus.is_dir():
            (corpus / f"seed-{number}").write_bytes(seed)
    limit_mib = int(_peak_mib()) + LIMIT_MIB
    options = [
        f"-timeout={TIMEOUT_S}",
        f"-rss_limit_mb={limit_mib}",
        f"-max_len={target.most_bytes}",
        *sys.argv[2:],
    ]
    atheris.Setup([sys.argv[0], *options], _Watch(target.one, float(os.environ.get(CPU_S, "inf"))))
    atheris.Fuzz()


class _Watch:
    """Counts, and ends the process when its time is over: libFuzzer knows the clock on the wall alone, which says little
    on a busy machine."""

    def __init__(self, one: Callable[[bytes], None], most_s: float) -> None:
        self._one = one
        self._until_s = time.process_time() + most_s
        self._executions = 0
        self._slowest_s = 0.0
        self._before_mib = _peak_mib()

    def __call__(self, data: bytes) -> None:
        self._executions += 1
        began_s = time.process_time()
        try:
            self._one(data)
        except BaseException:
            self._tell()
            raise
        ended_s = time.process_time()
        self._slowest_s = max(self._slowest_s, ended_s - began_s)
        if ended_s > self._until_s:
            self._tell()
            os._exit(0)

    def _tell(self) -> None:
        print(f"watch::executions: {self._executions}")
        print(f"watch::slowest_ms: {round(self._slowest_s * 1000)}")
        print(f"watch::grown_mib: {round(_peak_mib() - self._before_mib)}", flush=True)
        sys.stderr.flush()


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
