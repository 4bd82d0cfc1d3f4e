"""A real line between an agent and its control plane that is narrow, loses packets and goes down: three network namespaces.

This machine, the control plane's side -- `line`, which forwards, drops and limits -- `agent`, where the agent runs. What is
dropped is dropped on the way, so that either end sees what it sees of a bad line: nothing.
"""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

SERVER, LINE_UP, LINE_DOWN, AGENT = "10.213.77.1", "10.213.77.2", "10.213.78.1", "10.213.78.2"


def missing() -> str:
    """Returns why there can be none here, or an empty text."""
    for program in ("ip", "tc", "nft"):
        if shutil.which(program) is None:
            return f"needs the program {program}"
    if os.geteuid() != 0 or _run("ip", "netns", "add", "threedance-try", check=False):
        return "needs the right to make network namespaces"
    _run("ip", "netns", "del", "threedance-try")
    return ""


class BadLine:
    """Use it as a context manager; all of it is gone afterwards."""

    def __init__(self, *, bits_per_s: int, loss_percent: int) -> None:
        """Args:
        bits_per_s: of the narrow place, each way.
        loss_percent: how many packets of a hundred are lost, each way.
        """
        self._bits_per_s = bits_per_s
        self._loss_percent = loss_percent
        tag = str(os.getpid())
        self._line, self._agent = f"line-{tag}", f"agent-{tag}"
        self._outer, self._up, self._down, self._inner = f"s{tag}", f"u{tag}", f"d{tag}", f"b{tag}"

    def __enter__(self) -> "BadLine":
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _run("ip", "link", "del", self._outer, check=False)
        for name in (self._agent, self._line):
            _run("ip", "netns", "del", name, check=False)

    def _make(self) -> None:
        for name in (self._line, self._agent):
            _run("ip", "netns", "add", name)
        _run("ip", "link", "add", self._outer, "type", "veth", "peer", "name", self._up, "netns", self._line)
        _in(self._line, "ip", "link", "add", self._down, "type", "veth",
            "peer", "name", self._inner, "netns", self._agent)  # fmt: skip
        self._bring_up("", self._outer, SERVER)
        self._bring_up(self._line, self._up, LINE_UP)
        self._bring_up(self._line, self._down, LINE_DOWN)
        self._bring_up(self._agent, self._inner, AGENT)
        _run("ip", "route", "add", f"{AGENT}/32", "via", LINE_UP)
        _in(self._agent, "ip", "route", "add", "default", "via", LINE_DOWN)
        _in(self._line, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for name in (self._up, self._down):
            _in(self._line, "tc", "qdisc", "add", "dev", name, "root", "tbf",
                "rate", f"{self._bits_per_s}bit", "burst", "32kb", "latency", "200ms")  # fmt: skip
        rules = (
            "add table ip bad",
            "add chain ip bad way { type filter hook forward priority 0; }",
            f"add rule ip bad way numgen random mod 100 < {self._loss_percent} counter drop",
        )
        for rule in rules:
            _in(self._line, "nft", rule)

    def _bring_up(self, namespace: str, name: str, address: str) -> None:
        run = (lambda *words: _in(namespace, *words)) if namespace else _run
        # One packet is one packet: what a card would cut up later would be lost, and counted, as one.
        run("ip", "link", "set", name, "gso_max_segs", "1")
        run("ip", "address", "add", f"{address}/30", "dev", name)
        run("ip", "link", "set", name, "up")

    @property
    def within(self) -> tuple[str, ...]:
        """The beginning of a command that is to run on the agent's side."""
        return ("ip", "netns", "exec", self._agent)

    def set_up(self, up: bool) -> None:
        """Plugs the cable in, or pulls it."""
        _in(self._line, "ip", "link", "set", self._up, "up" if up else "down")

    def sent_bytes(self) -> int:
        """Returns what the agent has put on the line, whatever became of it; headers and all."""
        return int(_in(self._agent, "cat", f"/sys/class/net/{self._inner}/statistics/tx_bytes"))

    def dropped(self) -> int:
        """Returns how many packets the line has lost."""
        words = _in(self._line, "nft", "list", "table", "ip", "bad").split()
        return int(words[words.index("packets") + 1])


def _in(namespace: str, *words: str) -> str:
    done = subprocess.run(
        ["ip", "netns", "exec", namespace, *words], capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _run(*words: str, check: bool = True) -> int:
    with contextlib.suppress(FileNotFoundError):
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.returncode
    raise RuntimeError(f"there is no program {Path(words[0])}")
