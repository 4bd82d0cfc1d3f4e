"""Pairing from the command line: with a code that a person types, or with one that the service manager hands over."""

import asyncio
import os
from pathlib import Path

from edge_agent.control.enrolment import Paired, pair
from edge_agent.control.identity import IdentityFolder
from edge_agent.errors import SettingsInvalid
from edge_agent.http import HttpClient
from shared.kernel.clock import SystemClock

PAIRING_CREDENTIAL = "pairing"
"""Holds one line, `ADDRESS CODE`, with which an agent pairs itself at its first start."""
CREDENTIAL_LIMIT_BYTES = 4096


def claim(url: str, code: str, state: Path, *, replace: bool = False) -> Paired:
    """Pairs this machine and returns its identity. Raises as `control.enrolment.pair`."""

    async def pair_now() -> Paired:
        async with HttpClient() as http:
            return await pair(
                url, code, IdentityFolder(state), replace=replace, http=http, clock=SystemClock()
            )

    return asyncio.run(pair_now())


def pair_from_credential(state: Path) -> None:
    """Pairs an agent that never was with the service's credential, where there is one; a revoked agent stays revoked.

    Raises:
        SettingsInvalid: the credential is malformed.
        AgentError: pairing failed; see `control.enrolment.pair`.
    """
    folder = IdentityFolder(state)
    if folder.is_paired or folder.revocation() is not None:
        return
    try:
        credential = pairing_credential()
    except ValueError as error:
        raise SettingsInvalid(str(error), "Write the address and the code of Agents -> Add agent.") from error
    if credential is not None:
        claim(*credential, state)


def pairing_credential() -> tuple[str, str] | None:
    """Returns address and code from the service's credentials, or None where none were handed over.

    Raises:
        ValueError: there is something else in it.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return None
    try:
        with (Path(folder) / PAIRING_CREDENTIAL).open("rb") as file:
            words = file.read(CREDENTIAL_LIMIT_BYTES).decode("utf-8", "replace").split()
    except FileNotFoundError:
        return None
    if len(words) != 2:
        raise ValueError(f"the credential {PAIRING_CREDENTIAL} must hold ADDRESS CODE and nothing else")
    return words[0], words[1]
