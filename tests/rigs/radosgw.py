"""A real S3 server for tests: one Ceph monitor, one in-memory OSD, one manager and a radosgw, all on loopback.

Needs Debian's packages `radosgw ceph-mon ceph-osd ceph-mgr ceph-common`. State lives in one folder and goes with it.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.kernel.loopback import http_status
from tests.rigs.ports import free_port

PROGRAMS = (
    "ceph-mon",
    "ceph-osd",
    "ceph-mgr",
    "radosgw",
    "radosgw-admin",
    "ceph",
    "ceph-authtool",
    "monmaptool",
)
START_TIMEOUT_S = 90.0
KMS_KEY_ID = "footage-key"
"""A key of the server's own key service, for SSE-KMS."""


@dataclass(frozen=True)
class S3Server:
    """Where a running server is and who may write there; `pause` and `resume` make it answer nothing for a while."""

    host: str
    port: int
    access_key: str
    secret_key: str
    pause: Callable[[], None]
    resume: Callable[[], None]

    def url(self, bucket: str) -> str:
        """Returns the value of `THREEDANCE_OBJECT_STORE` for one bucket."""
        return (
            f"s3+http://{self.access_key}:{self.secret_key}@{self.host}:{self.port}/{bucket}?region=default"
        )


def missing_programs() -> list[str]:
    """Returns the programs of a Ceph that this machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class _Cluster:
    """The folder of one cluster and the processes in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fsid = str(uuid.uuid4())
        self.mon_port, self.s3_port = free_port(), free_port()
        self.conf = folder / "ceph.conf"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._log = (folder / "daemons.log").open("ab")

    def call(self, *command: str, timeout_s: float = 60) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[:4])}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def ceph(self, *words: str) -> str:
        return self.call("ceph", "-c", str(self.conf), *words)

    def spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([*command, "-c", str(self.conf), "-f"], stdout=self._log, stderr=self._log)
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait(10)
        self._log.close()


def _configuration(cluster: _Cluster, osd_uuid: str) -> str:
    folder = cluster.folder
    return f"""[global]
fsid = {cluster.fsid}
mon host = v1:127.0.0.1:{cluster.mon_port}
public addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
mon cluster log file = {folder}/cluster.log
crash dir = {folder}
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
mon allow pool size one = true
mon warn on pool no redundancy = false
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
osd class load list = *
osd class default list = *
mgr module path = /usr/share/ceph/mgr
ms bind msgr2 = false
osd uuid = {osd_uuid}
[mon.a]
mon data = {folder}/mon
[osd.0]
osd data = {folder}/osd
[mgr.x]
mgr data = {folder}/mgr
[client.rgw]
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{cluster.s3_port}
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = {KMS_KEY_ID}=YmluCmJvb3N0CmJvb3N0LWJ1aWxkCmNlcGguY29uZgo=
rgw lc debug interval = 10
"""


def _start_cluster(cluster: _Cluster) -> None:
    folder, osd_uuid = cluster.folder, str(uuid.uuid4())
    for name in ("mon", "osd", "mgr", "rgw"):
        (folder / name).mkdir()
    cluster.conf.write_text(_configuration(cluster, osd_uuid))
    keyring, monmap = str(folder / "keyring"), str(folder / "monmap")
    cluster.call(
        "ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"
    )
    everything = [part for kind in ("mon", "osd", "mgr", "mds") for part in ("--cap", kind, "allow *")]
    for name in ("client.admin", "mgr.x", "osd.0", "client.rgw"):
        caps = (
            everything
            if name != "osd.0"
            else [
                "--cap",
                "mon",
                "allow profile osd",
                "--cap",
                "osd",
                "allow *",
                "--cap",
                "mgr",
                "allow profile osd",
            ]
        )
        cluster.call("ceph-authtool", keyring, "--gen-key", "-n", name, *caps)
    cluster.call(
        "monmaptool",
        "--create",
        "--fsid",
        cluster.fsid,
        "--addv",
        "a",
        f"[v1:127.0.0.1:{cluster.mon_port}]",
        monmap,
    )
    conf = str(cluster.conf)
    cluster.call("ceph-mon", "-c", conf, "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
    cluster.spawn(["ceph-mon", "-i", "a"])
    _wait(lambda: cluster.fsid in cluster.ceph("--connect-timeout", "3", "fsid"), "the monitor")
    cluster.spawn(["ceph-mgr", "-i", "x"])
    cluster.ceph("osd", "new", osd_uuid)
    cluster.call("ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--osd-uuid", osd_uuid, "--keyring", keyring)
    cluster.spawn(["ceph-osd", "-i", "0"])
    _wait(lambda: json.loads(cluster.ceph("osd", "stat", "-f", "json"))["num_up_osds"] == 1, "the OSD")
    cluster.spawn(["radosgw", "-n", "client.rgw"])
    _wait(lambda: _answers(cluster.s3_port), "radosgw")


def _answers(port: int) -> bool:
    return http_status("127.0.0.1", port, "/", timeout_s=3) is not None


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    error: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if ready():
                return
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as problem:
            error = problem
        time.sleep(0.2)
    raise TimeoutError(f"{what} was not ready within {START_TIMEOUT_S:.0f} s: {error}")


@contextlib.contextmanager
def radosgw() -> Iterator[S3Server]:
    """Runs a server for the length of the block.

    Raises:
        TimeoutError: a daemon did not come up; the message names it.
        RuntimeError: a set-up command failed; the message holds what it said.
    """
    folder = Path(tempfile.mkdtemp(prefix="radosgw-"))
    cluster = _Cluster(folder)
    try:
        _start_cluster(cluster)
        user = json.loads(
            cluster.call(
                "radosgw-admin", "-c", str(cluster.conf), "-n", "client.rgw",
                "user", "create", "--uid", "tests", "--display-name", "tests",
            )
        )  # fmt: skip
        key = user["keys"][0]
        gateway = cluster.processes[-1]
        yield S3Server(
            host="127.0.0.1",
            port=cluster.s3_port,
            access_key=key["access_key"],
            secret_key=key["secret_key"],
            pause=lambda: os.kill(gateway.pid, signal.SIGSTOP),
            resume=lambda: os.kill(gateway.pid, signal.SIGCONT),
        )
    finally:
        cluster.close()
        shutil.rmtree(folder, ignore_errors=True)
