"""Pairing an agent against real servers on localhost: right ones and all kinds of wrong ones."""

import asyncio
import ssl
import stat
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent.control.enrolment import Paired, pair
from edge_agent.control.identity import IdentityFolder
from edge_agent.errors import (
    AddressInvalid,
    AgentError,
    AlreadyPaired,
    NotThreeDance,
    PairingCodeMalformed,
    PairingRefused,
    ServerNotHttp,
    ServerUnavailable,
    ServerUnreachable,
    StateUnwritable,
    TlsFailed,
)
from edge_agent.http import HttpClient
from shared.kernel.clock import SystemClock
from shared.protocol.errors import Code
from tests.rigs.certificate import self_signed
from tests.rigs.control_plane import ControlPlane
from tests.rigs.ports import refusing_port


async def _pair(url: str, state: Path, code: str = "BCDF-GHJK", *, replace: bool = False) -> Paired:
    async with HttpClient() as http:
        return await pair(url, code, IdentityFolder(state), replace=replace, http=http, clock=SystemClock())


@asynccontextmanager
async def _server(reply: bytes):  # type: ignore[no-untyped-def]
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _http(status: str, body: bytes = b"<html>hello</html>", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/html", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return self_signed(tmp_path_factory.mktemp("tls"))


async def test_a_right_code_makes_an_identity_that_only_its_owner_can_read(
    plane: ControlPlane, tmp_path: Path
) -> None:
    paired = await _pair(plane.url + "/studio/demo/agents/?x=1", tmp_path)
    assert paired.identity.address == plane.url
    assert abs(paired.clock_offset_s) < 5
    assert plane.pairing is not None
    assert plane.pairing.identity_key == paired.identity.keys.identity_public
    assert plane.pairing.sealing_key == paired.identity.keys.sealing_public
    assert plane.pairing.host.cpu_count >= 1
    assert stat.S_IMODE((tmp_path / "identity").stat().st_mode) == 0o700
    names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "identity").iterdir()}
    assert names == {"identity.key": 0o600, "sealing.key": 0o600, "pairing.json": 0o600}
    assert not (tmp_path / "identity.new").exists()
    assert IdentityFolder(tmp_path).load().pairing == paired.identity.pairing


@pytest.mark.parametrize(
    "state",
    [Code.PAIRING_CODE_EXPIRED, Code.PAIRING_CODE_USED, Code.PAIRING_CODE_LOCKED],
)
async def test_a_code_the_control_plane_does_not_take_says_why_and_what_to_do(
    plane: ControlPlane, tmp_path: Path, state: Code
) -> None:
    plane.codes["BCDFGHJK"] = state
    with pytest.raises(PairingRefused) as caught:
        await _pair(plane.url, tmp_path)
    assert caught.value.code is state
    assert "Agents -> Add agent" in caught.value.hint
    assert not IdentityFolder(tmp_path).is_paired


async def test_an_unknown_code_is_told_from_a_wrong_server(plane: ControlPlane, tmp_path: Path) -> None:
    with pytest.raises(PairingRefused) as caught:
        await _pair(plane.url, tmp_path, "ZZZZ-ZZZZ")
    assert caught.value.code is Code.PAIRING_CODE_UNKNOWN


@pytest.mark.parametrize("code", ["BCDF", "BCDF-GHJA", "1234-5678", ""])
async def test_what_is_no_code_is_said_without_asking_anybody(
    plane: ControlPlane, tmp_path: Path, code: str
) -> None:
    with pytest.raises(PairingCodeMalformed):
        await _pair(plane.url, tmp_path, code)
    assert not plane.calls


async def test_a_code_may_be_typed_in_small_letters_and_with_spaces(
    plane: ControlPlane, tmp_path: Path
) -> None:
    await _pair(plane.url, tmp_path, " bcdf ghjk ")
    assert plane.pairing is not None
    assert plane.pairing.code == "BCDFGHJK"


async def test_a_paired_agent_needs_replace_and_keeps_its_identity_until_the_answer_is_yes(
    plane: ControlPlane, tmp_path: Path
) -> None:
    first = await _pair(plane.url, tmp_path)
    with pytest.raises(AlreadyPaired) as caught:
        await _pair(plane.url, tmp_path)
    assert "--replace" in caught.value.hint
    with pytest.raises(PairingRefused):
        await _pair(plane.url, tmp_path, replace=True)
    assert IdentityFolder(tmp_path).load().keys.fingerprint == first.identity.keys.fingerprint
    plane.codes["CCCCCCCC"] = None
    second = await _pair(plane.url, tmp_path, "CCCCCCCC", replace=True)
    assert second.identity.keys.fingerprint != first.identity.keys.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["identity"]  # noqa: ASYNC240


async def test_a_pairing_whose_answer_was_lost_goes_on_with_the_same_keys(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path)
    first = folder.begin().identity_public
    assert folder.begin().identity_public == first


async def test_keys_that_are_an_agents_already_are_replaced(plane: ControlPlane, tmp_path: Path) -> None:
    lost = IdentityFolder(tmp_path).begin().identity_public
    plane.identity_keys.add(lost)
    paired = await _pair(plane.url, tmp_path)
    assert paired.identity.keys.identity_public != lost


async def test_an_agent_whose_clock_is_an_hour_off_pairs_all_the_same(tmp_path: Path) -> None:
    with ControlPlane(ahead=timedelta(hours=1)).running() as plane:
        paired = await _pair(plane.url, tmp_path)
    assert 3590 < paired.clock_offset_s < 3610


@pytest.mark.parametrize(
    "address", ["studio.example", "ftp://studio.example", "http://", "http://a:b", "", "http://\x1c\x14"]
)
async def test_what_is_no_address_is_named(tmp_path: Path, address: str) -> None:
    with pytest.raises(AddressInvalid) as caught:
        await _pair(address, tmp_path)
    assert repr(address) in str(caught.value)
    assert "http" in caught.value.hint


async def test_a_port_where_nobody_listens(tmp_path: Path) -> None:
    with refusing_port() as port, pytest.raises(ServerUnreachable) as caught:
        await _pair(f"http://127.0.0.1:{port}", tmp_path)
    assert f"127.0.0.1:{port}" in str(caught.value)


async def test_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    with pytest.raises(ServerUnreachable) as caught:
        await _pair("http://no-such-host.invalid", tmp_path)
    assert "no-such-host.invalid" in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        _http("200 OK"),
        _http("404 Not Found"),
        _http("301 Moved", b"", "Location: https://elsewhere.example/"),
        _http("200 OK", b"{}").replace(b"text/html", b"application/json"),
    ],
    ids=["page", "not found", "redirect", "other json"],
)
async def test_another_web_server_is_told_from_ours(tmp_path: Path, reply: bytes) -> None:
    async with _server(reply) as url:
        with pytest.raises(NotThreeDance) as caught:
            await _pair(url, tmp_path)
    assert url in str(caught.value)
    assert not IdentityFolder(tmp_path).is_paired


async def test_a_redirect_says_where_to(tmp_path: Path) -> None:
    async with _server(_http("301 Moved", b"", "Location: https://elsewhere.example/")) as url:
        with pytest.raises(NotThreeDance, match=r"https://elsewhere\.example/"):
            await _pair(url, tmp_path)


async def test_something_that_does_not_speak_http(tmp_path: Path) -> None:
    async with _server(b"220 mail.example ESMTP\r\n\r\n") as url:
        with pytest.raises(ServerNotHttp, match="does not speak HTTP"):
            await _pair(url, tmp_path)


async def test_something_that_hangs_up_on_http(tmp_path: Path) -> None:
    async with _server(b"SSH-2.0-OpenSSH_9.2\r\n") as url:
        with pytest.raises(ServerUnreachable, match="without an HTTP answer"):
            await _pair(url, tmp_path)


async def test_a_server_that_is_down_for_maintenance(plane: ControlPlane, tmp_path: Path) -> None:
    plane.faults.unavailable = True
    with pytest.raises(ServerUnavailable):
        await _pair(plane.url, tmp_path)


async def test_a_certificate_nobody_vouches_for(certificate: tuple[str, str], tmp_path: Path) -> None:
    with ControlPlane(tls=certificate).running() as plane, pytest.raises(TlsFailed) as caught:
        await _pair(plane.url, tmp_path)
    assert "self-signed" in str(caught.value)
    assert "SSL_CERT_FILE" in caught.value.hint


async def test_a_certificate_for_another_name(certificate: tuple[str, str], tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=certificate[0])
    with ControlPlane(tls=certificate).running() as plane:
        url = plane.url.replace("127.0.0.1", "localhost")
        async with HttpClient(verify=context) as http:
            folder = IdentityFolder(tmp_path)
            with pytest.raises(TlsFailed, match="localhost"):
                await pair(url, "BCDFGHJK", folder, replace=False, http=http, clock=SystemClock())


async def test_a_studios_own_authority_is_trusted_by_ssl_cert_file(
    certificate: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    with ControlPlane(tls=certificate).running() as plane:
        paired = await _pair(plane.url, tmp_path)
    assert paired.identity.address.startswith("https://")


async def test_https_to_a_plain_port_says_to_try_http(plane: ControlPlane, tmp_path: Path) -> None:
    with pytest.raises(TlsFailed) as caught:
        await _pair(plane.url.replace("http:", "https:"), tmp_path)
    assert "http://" in caught.value.hint


async def test_a_state_folder_that_cannot_be_written_is_named_before_the_code_is_used(
    plane: ControlPlane, tmp_path: Path
) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(StateUnwritable) as caught:
        await _pair(plane.url, blocked)
    assert str(blocked) in str(caught.value)
    assert not plane.calls


async def test_every_pairing_error_says_what_to_do(tmp_path: Path) -> None:
    for address, code in (("x", "BCDFGHJK"), ("http://127.0.0.1:9", "BCDFGHJK"), ("http://127.0.0.1:9", "X")):
        with pytest.raises(AgentError) as caught:
            await _pair(address, tmp_path, code)
        assert caught.value.hint
