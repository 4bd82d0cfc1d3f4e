"""The agent's identity: tokens that it signs, credentials that it opens, revocations that it believes."""

from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nacl.public import PrivateKey, PublicKey, SealedBox

from edge_agent.control.identity import Identity, IdentityFolder
from edge_agent.errors import CredentialsUnreadable, IdentityError, NotPaired, RevocationInvalid
from shared.kernel.clock import FakeClock, ServerClock
from shared.protocol.codec import encode
from shared.protocol.config import Credentials
from shared.protocol.ids import AgentId, new_id
from tests.rigs.control_plane import ControlPlane

CREDENTIALS = Credentials(username="admin", password="geheim")


def test_a_token_is_dated_by_the_servers_clock_and_never_the_same_twice(identity: Identity) -> None:
    machine = FakeClock()
    clock = ServerClock(machine)
    machine.step_utc(3600)
    clock.take(FakeClock().now(), clock.mark())
    machine.advance(10)
    first, second = identity.token(clock.newest), identity.token(clock.newest)
    claims = jwt.decode(
        first,
        identity.keys.identity.public_key(),
        algorithms=["EdDSA"],
        audience=identity.pairing.answer.audience,
        options={"verify_exp": False, "verify_iat": False},
    )
    now_s = int(FakeClock().now().timestamp()) + 10
    assert (claims["iat"], claims["exp"]) == (now_s, now_s + 60)
    assert claims["iss"] == jwt.get_unverified_header(first)["kid"] == str(identity.pairing.answer.agent_id)
    assert claims["std"] == str(identity.pairing.answer.studio_id)
    assert first != second


def test_credentials_open_only_with_the_key_of_this_agent(identity: Identity) -> None:
    mine = SealedBox(PublicKey(identity.keys.sealing_public)).encrypt(encode(CREDENTIALS))
    assert identity.open_credentials(mine) == CREDENTIALS
    others = SealedBox(PrivateKey.generate().public_key).encrypt(encode(CREDENTIALS))
    for sealed in (others, b"", b"x" * 100):
        with pytest.raises(CredentialsUnreadable):
            identity.open_credentials(sealed)


def test_nothing_secret_is_in_the_repr(identity: Identity) -> None:
    assert repr(identity.keys) == f"BoxKeys({identity.keys.fingerprint})"
    assert "geheim" not in repr(CREDENTIALS)


def test_only_our_control_planes_word_about_us_is_a_revocation(
    plane: ControlPlane, identity: Identity
) -> None:
    assert identity.verify_revocation(plane.sign_revocation()).reason == "the agent was stolen"
    forged = plane.sign_revocation(key=Ed25519PrivateKey.generate())
    other = plane.sign_revocation(sub=AgentId(new_id()))
    own_token = identity.token(FakeClock())
    unsigned = jwt.encode({"sub": str(plane.agent_id), "reason": "x", "iat": 1}, "", algorithm="none")
    for token in (forged, other, own_token, unsigned, "", "a.b.c", plane.sign_revocation() + "x"):
        with pytest.raises(RevocationInvalid):
            identity.verify_revocation(token)


def test_a_revoked_agent_forgets_its_keys_and_nothing_else(
    plane: ControlPlane, identity: Identity, tmp_path: Path
) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "segment").write_bytes(b"ciphertext")
    folder = IdentityFolder(tmp_path)
    folder.drop(identity.verify_revocation(plane.sign_revocation()))
    assert [path.name for path in folder.path.iterdir()] == ["revoked.json"]
    assert (tmp_path / "spool" / "segment").read_bytes() == b"ciphertext"
    revocation = folder.revocation()
    assert revocation is not None
    assert revocation.reason == "the agent was stolen"
    with pytest.raises(NotPaired):
        folder.load()


def test_a_damaged_identity_says_how_to_get_a_new_one(identity: Identity, tmp_path: Path) -> None:
    (tmp_path / "identity" / "identity.key").write_bytes(b"short")
    with pytest.raises(IdentityError) as caught:
        IdentityFolder(tmp_path).load()
    assert "--replace" in caught.value.hint
