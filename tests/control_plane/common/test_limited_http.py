"""Servers that a studio names, as store or provider, may send endlessly or slowly: reading is bounded."""

import hashlib
import time
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from control_plane.accounts.outbound import GuardedSession, ProviderUnreachable
from control_plane.common import limited_http
from control_plane.storage.errors import ObjectMismatch, StoreRefused, StoreUnavailable
from control_plane.storage.probe import probe
from control_plane.storage.probe_report import ProbeContext, ProbeOutcome
from control_plane.storage.s3 import S3Store
from tests.rigs.lax_s3 import LaxServer, lax_s3

FLOOD = 64 << 20
KEY = "studio/object"
BODY = b"x" * 1000


@pytest.fixture
def lax() -> Iterator[LaxServer]:
    with lax_s3() as server:
        server.objects[KEY] = BODY
        yield server


@pytest.fixture
def store(lax: LaxServer) -> S3Store:
    return S3Store(lax.place(), timeout_s=5)


def test_a_flood_of_an_answer_is_not_taken_in(lax: LaxServer, store: S3Store) -> None:
    lax.ways.more_bytes = FLOOD
    with pytest.raises(StoreRefused, match="larger than"):
        store.bucket_setting("location")
    with pytest.raises(StoreRefused, match="larger than"):
        store.send("GET", store.config.origin)
    assert lax.sent_bytes < FLOOD


def test_what_a_store_calls_its_region_is_a_name_at_most(lax: LaxServer, store: S3Store) -> None:
    lax.ways.about["location"] = f"<LocationConstraint>{'eu' * 50_000}</LocationConstraint>"
    found = {item.check: item for item in probe(ProbeContext(store, "0193", "eu-test-1"))}
    assert found["region"].outcome is ProbeOutcome.REFUSAL
    assert len(found["region"].detail + found["region"].advice) < 300


def test_a_flood_behind_an_error_is_not_taken_in(lax: LaxServer, store: S3Store) -> None:
    """The client reads errors whole before it says what they are, those of an object too."""
    lax.ways.more_bytes = FLOOD
    with pytest.raises(StoreRefused, match="larger than"):
        store.bucket_setting("policy")
    with pytest.raises(StoreRefused, match="larger than"), store.open("studio/gone"):
        pass
    assert lax.sent_bytes < FLOOD


def test_an_object_has_the_bytes_that_were_asked_for_and_no_more(lax: LaxServer, store: S3Store) -> None:
    lax.ways.more_bytes = FLOOD
    taken: list[bytes] = []
    with pytest.raises(ObjectMismatch), store.open(KEY, offset_bytes=10, size_bytes=100) as chunks:
        taken.extend(chunks)
    assert len(b"".join(taken)) <= 100
    assert lax.sent_bytes < FLOOD


def test_an_object_larger_than_any_of_ours_is_not_begun(lax: LaxServer, store: S3Store) -> None:
    lax.ways.claims_bytes = 1 << 50
    with pytest.raises(ObjectMismatch, match="larger than the largest"):
        store.sha256(KEY)


def test_a_range_takes_one_request(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "head", None)
    with store.open(KEY, offset_bytes=10, size_bytes=100) as chunks:
        assert b"".join(chunks) == BODY[10:110]


def test_an_object_that_ends_early_is_no_object(lax: LaxServer, store: S3Store) -> None:
    lax.ways.claims_bytes = len(BODY) + 1
    with pytest.raises(StoreUnavailable):
        store.sha256(KEY)
    lax.ways.byte_every_s = 1e-6  # and without a word of how long it is
    with (
        pytest.raises(ObjectMismatch),
        store.open(KEY, offset_bytes=len(BODY) - 10, size_bytes=11) as chunks,
    ):
        b"".join(chunks)


def test_a_store_that_drips_is_given_up(
    lax: LaxServer, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited_http, "ANSWER_LIMIT_S", 0.2)
    lax.ways.byte_every_s, lax.ways.about["location"] = 0.02, " " * 2000
    began_s = time.monotonic()
    with pytest.raises(StoreUnavailable, match="slowly"):
        store.send("GET", f"{store.config.origin}/footage?location")
    with pytest.raises(StoreUnavailable, match="slowly"), store.open(KEY) as chunks:
        hashlib.sha256(b"".join(chunks))
    assert time.monotonic() - began_s < 10


def test_a_flood_of_an_identity_provider_is_not_taken_in(lax: LaxServer, settings: Any) -> None:
    settings.SIGNIN_NETWORKS = (ip_network("127.0.0.0/8"),)
    lax.ways.is_public, lax.ways.more_bytes = True, FLOOD
    with GuardedSession() as session, pytest.raises(ProviderUnreachable, match="larger than"):
        session.get(f"http://127.0.0.1:{lax.port}/footage/{KEY}")
    assert lax.sent_bytes < FLOOD
    lax.ways.more_bytes = 0
    with GuardedSession() as session:
        assert session.get(f"http://127.0.0.1:{lax.port}/footage/{KEY}").content == BODY
