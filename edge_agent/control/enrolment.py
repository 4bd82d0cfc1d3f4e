"""Pairing: a code from the studio's admin page enrols this machine as an agent."""

import os
import platform
import socket
from dataclasses import dataclass
from pathlib import Path

from edge_agent.api import ControlPlaneApi, base_address
from edge_agent.control.identity import AgentKeys, Identity, IdentityFolder, Pairing
from edge_agent.errors import (
    AlreadyPaired,
    NotThreeDance,
    PairingCodeMalformed,
    PairingRefused,
    RequestRefused,
)
from edge_agent.http import HttpClient
from shared import __version__
from shared.kernel.clock import Clock, ServerClock
from shared.protocol.errors import Code
from shared.protocol.pairing import HostFacts, PairAnswer, PairRequest, normalise_pairing_code
from shared.protocol.version import PROTOCOL_VERSION

PAIR_PATH = "/agent/v1/pair"


@dataclass(frozen=True)
class Paired:
    """The new identity, and the clock offset (server minus agent, seconds)."""

    identity: Identity
    clock_offset_s: float


async def pair(
    address: str, code: str, folder: IdentityFolder, *, replace: bool, http: HttpClient, clock: Clock
) -> Paired:
    """Claims `code` at the control plane at `address` and stores the identity it gives.

    An existing identity is only replaced once the control plane has accepted the code.

    Raises:
        PairingCodeMalformed: `code` is no pairing code; nothing was sent.
        AlreadyPaired: there is an identity and `replace` is false; nothing was sent.
        StateUnwritable: the folder cannot be written; nothing was sent.
        PairingRefused: the control plane does not take the code.
        ServerError: the address, the network, TLS or what answers is not right.
    """
    base = base_address(address)
    try:
        letters = normalise_pairing_code(code)
    except ValueError as error:
        raise PairingCodeMalformed(str(error)) from error
    if folder.is_paired and not replace:
        raise AlreadyPaired(f"this agent is paired already (identity in {folder.path})")
    api = ControlPlaneApi(http, base, ServerClock(clock), None)
    try:
        answer = await _claim(api, letters, folder.begin())
    except PairingRefused as refusal:
        if refusal.code is not Code.CONFLICT:
            raise
        # An earlier pairing succeeded but its answer was lost: these keys belong to an agent already.
        folder.discard_pending()
        answer = await _claim(api, letters, folder.begin())
    offset_s = (answer.server_time_at - clock.now()).total_seconds()
    return Paired(folder.finish(Pairing(address=base, answer=answer)), offset_s)


async def _claim(api: ControlPlaneApi, code: str, keys: AgentKeys) -> PairAnswer:
    request = PairRequest(
        code=code,
        identity_key=keys.identity_public,
        sealing_key=keys.sealing_public,
        protocol=PROTOCOL_VERSION,
        agent_version=__version__,
        host=host_facts(),
    )
    try:
        return await api.post(PAIR_PATH, request, PairAnswer)
    except RequestRefused as refusal:
        if refusal.problem.code is Code.NOT_FOUND:
            raise NotThreeDance(api.address, "it has no endpoint for agents") from refusal
        raise PairingRefused(refusal.problem) from refusal


def host_facts() -> HostFacts:
    """Returns the facts about this machine that the admin sees."""
    return HostFacts(
        hostname=socket.gethostname(),
        model=_model(),
        os=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        cpu_count=os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
    )


def _model() -> str:
    for path in ("/sys/firmware/devicetree/base/model", "/sys/class/dmi/id/product_name"):
        try:
            text = Path(path).read_text("utf-8", "replace").strip("\x00 \n")
        except OSError:
            continue
        if text:
            return text[:100]
    return platform.machine()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0
