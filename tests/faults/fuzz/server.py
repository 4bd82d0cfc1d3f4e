"""Input to the control plane from agents, viewers and operators: manifests, tokens, signed addresses, exports, settings."""

import base64
import contextlib
import json
import os
from collections.abc import Sequence
from functools import cache
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.http import QueryDict

from control_plane.audit.checkpoints import (
    NOTHING_BEFORE,
    BadCheckpoint,
    Head,
    read_checkpoint,
    receipt_for,
    write_checkpoint,
)
from control_plane.audit.exports import BadFile, write_csv, write_jsonl
from control_plane.audit.offline import verify_export
from control_plane.common.errors import ControlPlaneError
from control_plane.config.env import WrongEnvironment, parse
from control_plane.fleet.models import Agent
from control_plane.fleet.status_limits import out_of_range
from control_plane.fleet.tokens import bearer, unverified_claims, verify
from control_plane.ingest.manifests import invalid_reason, normalized_gap
from control_plane.ingest.targets import verify_upload
from control_plane.keys.errors import RootRefused
from control_plane.keys.roots.file import FileRootKey
from control_plane.recordings.fragments import FragmentRow, decode_fragments
from control_plane.recordings.models import ClassSession
from control_plane.recordings.playback.playlist import write_playlist
from control_plane.recordings.playback.ranges import Unsatisfiable, parse_range
from control_plane.recordings.segment_factory import ObjectLocation, segment_from_manifest
from control_plane.recordings.timeline import GapFacts, SegmentFacts, TrackFacts, build_timeline
from control_plane.storage.s3_config import S3Config
from shared.protocol.codec import decode, encode
from shared.protocol.manifest import GapRecord, SegmentManifest
from shared.protocol.messages import FromAgent, Hello
from shared.protocol.pairing import PairRequest
from shared.protocol.upload import CommitRequest, GapsRequest, IntentRequest
from tests.control_plane.audit.links import as_stored
from tests.control_plane.audit.test_offline import AT as EXPORTED_AT
from tests.control_plane.audit.test_offline import KEY, STUDIO, chain, header
from tests.faults.fuzz.target import Pieces, Target, expect, folder, vectors
from tests.shared.examples import AT, GAP, MANIFEST

_BODIES = (FromAgent, IntentRequest, CommitRequest, GapsRequest, PairRequest)


def body(data: bytes) -> None:
    """A frame or a body of an agent: a `msgspec.DecodeError`, or a value that is written and read as itself."""
    for type_ in _BODIES:
        with contextlib.suppress(msgspec.DecodeError):
            value = decode(data, type_)  # type: ignore[arg-type]  # a union is no `type` to the checker
            expect(decode(encode(value), type_) == value, "it does not read back as itself")  # type: ignore[arg-type]
            if isinstance(value, Hello | PairRequest) and not out_of_range(value):
                expect(value.protocol < 1 << 15, "no column takes its version")


def manifest(data: bytes) -> None:
    """A manifest: refused with its field, or one that can be kept, dated and played."""
    try:
        found = decode(data, SegmentManifest)
    except msgspec.DecodeError:
        return
    if invalid_reason(found):
        return
    row = segment_from_manifest(ClassSession(), Agent(), None, found, ObjectLocation(None, "key"), b"wrapped")
    row.clean_fields(exclude=["studio", "class_session", "agent", "track", "store"])
    expect("\0" not in row.video_codec_string + row.audio_codec_string, "no column takes its names")
    rows = tuple(
        FragmentRow(
            item.blob.offset_bytes, item.blob.size_bytes, item.blob.iv.hex(), item.blob.sha256, item.pts_90k,
            item.duration_90k, item.frames,
        )
        for item in found.fragments
    )  # fmt: skip
    expect(decode_fragments(msgspec.json.encode(rows).decode()) == rows, "its rows do not read back")
    _play(found, rows, ())


def _play(found: SegmentManifest, rows: tuple[FragmentRow, ...], gaps: Sequence[GapFacts]) -> None:
    facts = SegmentFacts(
        found.segment_id, UUID(int=1), found.sequence, found.run, found.init_sha256, found.clock, rows
    )
    track = TrackFacts(UUID(int=2), [facts], gaps)
    timeline = build_timeline([track])
    for complete in (True, False):
        write_playlist(timeline.tracks[track.id], start_at=timeline.start_at or AT, complete=complete)


def gap(data: bytes) -> None:
    """A gap: left out, or one that can be kept, and a track that can be played with it."""
    with contextlib.suppress(msgspec.DecodeError):
        found = normalized_gap(decode(data, GapRecord))
        if found is not None:
            item = MANIFEST.fragments[0]
            row = FragmentRow(
                item.blob.offset_bytes,
                item.blob.size_bytes,
                "00" * 16,
                item.blob.sha256,
                item.pts_90k,
                180_000,
                60,
            )
            _play(MANIFEST, (row,), [GapFacts(found.from_at, found.to_at, found.reason.value, found.detail)])


_SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_NOW_S = 1_795_255_200


def token(data: bytes) -> None:
    """A token of an agent, or what says it is one: `TokenInvalid` (`ClockOff` is one), or its claims."""
    with contextlib.suppress(ControlPlaneError):
        text = bearer(data.decode("latin-1"))
        said = unverified_claims(text)
        public = _SIGNER.public_key().public_bytes_raw()
        proved = verify(text, identity_key=public, audience="https://studio.example", now_s=_NOW_S)
        expect(proved == said, "what is proved is not what was said")


def _token_seeds() -> Sequence[bytes]:
    claims = {
        "iss": str(UUID(int=1)), "std": str(UUID(int=2)), "aud": "https://studio.example", "iat": _NOW_S,
        "exp": _NOW_S + 60, "jti": "0123456789abcdef",
    }  # fmt: skip
    made = jwt.encode(claims, _SIGNER, algorithm="EdDSA", headers={"kid": claims["iss"]})
    return [b"Bearer " + made.encode()]


def signed_address(data: bytes) -> None:
    """An address for a PUT: refused, for nobody signed these."""
    key, _, query = data.partition(b"?")
    try:
        verify_upload(key.decode("utf-8", "replace"), QueryDict(query))
    except ControlPlaneError:
        return
    raise AssertionError("an address that nobody signed is taken")


def byte_range(data: bytes) -> None:
    """A `Range` header: bytes within the object, all of it, or `Unsatisfiable`."""
    pieces = Pieces(data)
    whole = pieces.number(3)
    with contextlib.suppress(Unsatisfiable):
        found = parse_range(pieces.left.decode("latin-1"), whole)
        expect(found is None or 0 <= found.first <= found.last < whole, f"{found} of {whole}")


def export(data: bytes) -> None:
    """An export of the audit log: `BadFile`, or a verdict; and it holds for the whole file alone."""
    path = folder("export") / "log"
    path.write_bytes(data)
    with contextlib.suppress(BadFile):
        verdict = verify_export(path)
        expect(not verdict.holds or data in _exports(), "a changed export holds")


@cache
def _exports() -> tuple[bytes, ...]:
    links = chain(4)
    head = header(links)
    return (
        b"".join(write_jsonl(head, as_stored(links), KEY.sign)),
        b"".join(write_csv(head, [(link, stored, "words") for link, stored in links], KEY.sign)),
    )


def checkpoint(data: bytes) -> None:
    """A checkpoint or a receipt: `BadCheckpoint`, or one whose signature holds."""
    with contextlib.suppress(BadCheckpoint):
        read_checkpoint(data)


def _checkpoint_seeds() -> Sequence[bytes]:
    heads = [Head(None, 3, bytes(32)), Head(STUDIO, 9, bytes(range(32)))]
    document = write_checkpoint(1, EXPORTED_AT, NOTHING_BEFORE, heads, KEY)
    receipt = receipt_for(STUDIO, document)
    return [json.dumps(found).encode() for found in (document, receipt)]


def root_key(data: bytes) -> None:
    """The file of the root keys: `RootRefused`, or keys that wrap and unwrap."""
    path = folder("root") / "root.key"
    path.write_bytes(data)
    os.chmod(path, 0o600)
    with contextlib.suppress(RootRefused):
        root = FileRootKey(path)
        wrapped = root.wrap(b"secret", kind="studio", id_=STUDIO)
        expect(
            root.unwrap(wrapped, kind="studio", id_=STUDIO) == b"secret", "it does not open what it closed"
        )


def _root_seeds() -> Sequence[bytes]:
    key = base64.b64encode(bytes(range(32))).decode()
    return [
        msgspec.json.encode({"keys": [{"id": "r1", "key": key}], "seed": key}),
        msgspec.json.encode({"id": "r1", "key": key}),
    ]


def environment(data: bytes) -> None:
    """The operator's settings: `WrongEnvironment`, or a value whose every part can be asked for."""
    given = {}
    for line in data.decode("utf-8", "replace").replace("\0", "").split("\n"):
        name, _, value = line.partition("=")
        given[f"THREEDANCE_{name}"] = value
    with contextlib.suppress(WrongEnvironment):
        env = parse(given)
        env.store_region()
        env.application_role()


def store_address(data: bytes) -> None:
    """The address of an S3 store: `ValueError`, or a place."""
    with contextlib.suppress(ValueError):
        S3Config.of_url(data.decode("utf-8", "surrogateescape"))


TARGETS = {
    "body": Target(
        body,
        vectors("hello", "report", "heartbeat", "sending_again", "intent", "commit", "gaps", "pair_request"),
        8192,
    ),
    "manifest": Target(manifest, lambda: [encode(MANIFEST)]),
    "gap": Target(gap, lambda: [encode(GAP)], 1024),
    "token": Target(token, _token_seeds, 1024),
    "signed_address": Target(
        signed_address,
        lambda: [b"s/1/key?size=3&expires=1795255200&sha256=" + b"a" * 64 + b"&signature=" + b"0" * 64],
    ),
    "byte_range": Target(
        byte_range, lambda: [b"\0\1\0bytes=0-99", b"\0\1\0bytes=-5", b"\0\1\0bytes=7-"], 128
    ),
    "export": Target(export, _exports, 8192),
    "checkpoint": Target(checkpoint, _checkpoint_seeds),
    "root_key": Target(root_key, _root_seeds, 512),
    "environment": Target(
        environment,
        lambda: [
            b"DATABASE_URL=postgresql://app:secret@db.example:5432/threedance\nPUBLIC_URL=https://studio.example",
            b"OBJECT_STORE=s3+https://key:secret@s3.example/bucket?region=eu\n"
            b"EMAIL_URL=smtp://u:p@mail.example:587?from=a@b.example",
        ],
        1024,
    ),
    "store_address": Target(
        store_address, lambda: [b"s3+https://key:secret@s3.example:9000/bucket?region=eu-1"], 256
    ),
}
