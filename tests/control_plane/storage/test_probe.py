"""A store is tried for real before footage goes there; what is wrong with it is named, with the way out."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from control_plane.common.ssrf_guard import is_allowed, resolve
from control_plane.storage.errors import StoreRefused
from control_plane.storage.local import LocalStore
from control_plane.storage.probe import probe
from control_plane.storage.probe_report import ProbeContext, ProbeFinding, ProbeOutcome
from control_plane.storage.s3 import S3Store
from control_plane.storage.s3_config import S3Config, ServerSide
from tests.rigs.lax_s3 import LaxServer
from tests.rigs.radosgw import KMS_KEY_ID, S3Server

FOLDER = "0193"


def tried(
    lax: LaxServer, *, pinned: str = "", page_origin: str = "", **changes: Any
) -> dict[str, ProbeFinding]:
    store = S3Store(lax.place(**changes), timeout_s=5)
    context = ProbeContext(store, FOLDER, store.config.region, pinned=pinned, page_origin=page_origin)
    return {finding.check: finding for finding in probe(context)}


def refusals(found: dict[str, ProbeFinding]) -> list[str]:
    return [finding.check for finding in found.values() if finding.outcome is ProbeOutcome.REFUSAL]


def test_a_good_store_passes_and_nothing_is_left_in_it(lax: LaxServer) -> None:
    found = tried(lax)
    assert refusals(found) == []
    assert found["conditional write"].outcome is ProbeOutcome.PASS
    assert found["checksum"].outcome is ProbeOutcome.PASS
    assert lax.objects == {}


def test_a_store_that_ignores_conditions_is_refused(lax: LaxServer) -> None:
    lax.ways.honours_conditions = False
    found = tried(lax)
    assert refusals(found) == ["conditional write"]
    assert "If-None-Match" in found["conditional write"].detail
    assert found["conditional write"].advice


def test_a_store_that_ignores_hashes_is_refused(lax: LaxServer) -> None:
    lax.ways.checks_hashes = False
    assert refusals(tried(lax)) == ["checksum"]


def test_a_store_that_gives_other_bytes_back_is_refused(lax: LaxServer) -> None:
    lax.ways.garbles_reads = True
    assert "read back" in refusals(tried(lax))


def test_a_store_that_does_not_forget_is_refused(lax: LaxServer) -> None:
    lax.ways.deletes = False
    assert "deletion" in refusals(tried(lax))


def test_a_store_that_anybody_reads_is_refused(lax: LaxServer) -> None:
    lax.ways.is_public = True
    assert refusals(tried(lax)) == ["public access"]


def test_a_store_of_another_time_is_refused_and_asked_no_further(lax: LaxServer) -> None:
    lax.ways.behind_s = 3600
    found = tried(lax)
    assert refusals(found) == ["clock"]
    assert "write" not in found
    lax.ways.behind_s = 60
    assert tried(lax)["clock"].outcome is ProbeOutcome.WARNING


def test_a_store_in_another_region_than_the_studios_is_refused(lax: LaxServer) -> None:
    assert tried(lax, pinned="eu-test-1")["region"].outcome is ProbeOutcome.PASS
    found = tried(lax, pinned="eu-north-9")
    assert refusals(found) == ["region"]
    assert "eu-north-9" in found["region"].detail
    assert refusals(tried(lax, region="us-east-1")) == ["region"]
    lax.ways.about["location"] = "403"
    assert tried(lax)["region"].outcome is ProbeOutcome.WARNING
    assert refusals(tried(lax, pinned="eu-north-9")) == ["region"], "its own word is all there is"


def test_what_would_delete_footage_behind_our_back_is_refused(lax: LaxServer) -> None:
    rule = "<Rule><ID>tidy</ID><Filter><Prefix>{}</Prefix></Filter><Status>Enabled</Status>{}</Rule>"
    expire = "<Expiration><Days>30</Days></Expiration>"
    lax.ways.about["lifecycle"] = rule.format("", expire)
    found = tried(lax)
    assert refusals(found) == ["lifecycle rules"]
    assert "tidy" in found["lifecycle rules"].detail
    lax.ways.about["lifecycle"] = rule.format("elsewhere/", expire)
    assert refusals(tried(lax, prefix="dance/")) == []
    lax.ways.about["lifecycle"] = rule.format("dance/old/", expire)
    assert refusals(tried(lax, prefix="dance/")) == ["lifecycle rules"]
    lax.ways.about["lifecycle"] = rule.format(
        "", "<Transition><StorageClass>GLACIER</StorageClass></Transition>"
    )
    assert tried(lax)["lifecycle rules"].outcome is ProbeOutcome.WARNING


def test_what_keeps_or_locks_objects_is_said(lax: LaxServer) -> None:
    lax.ways.about |= {"versioning": "<Status>Enabled</Status>", "object-lock": "<ObjectLockEnabled>Enabled<"}
    found = tried(lax)
    assert (found["versioning"].outcome, found["object lock"].outcome) == (
        ProbeOutcome.WARNING,
        ProbeOutcome.WARNING,
    )
    lax.ways.about["object-lock"] = (
        "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode></DefaultRetention></Rule>"
    )
    assert refusals(tried(lax)) == ["object lock"]
    lax.ways.about |= {"versioning": "403", "object-lock": "403", "lifecycle": "403"}
    assert {tried(lax)[name].outcome for name in ("versioning", "object lock", "lifecycle rules")} == {
        ProbeOutcome.WARNING
    }


def test_encryption_that_the_store_does_not_do_is_refused(lax: LaxServer) -> None:
    found = tried(lax, server_side=ServerSide.SSE_S3)
    assert refusals(found) == ["encryption by the store"]
    lax.ways.server_side = "AES256"
    assert refusals(tried(lax, server_side=ServerSide.SSE_S3)) == []


def test_an_absent_store_is_one_finding(lax: LaxServer) -> None:
    lax.ways.status = 503
    found = tried(lax)
    assert list(found) == ["reachable"]
    assert found["reachable"].outcome is ProbeOutcome.REFUSAL


def test_a_folder_is_tried_as_well(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "objects")
    found = {item.check: item.outcome for item in probe(ProbeContext(store, FOLDER, "here"))}
    assert set(found.values()) == {ProbeOutcome.PASS}
    assert {"conditional write", "checksum", "read back", "deletion", "speed"} <= set(found)
    assert not [path for path in store.root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.4", "172.16.0.1", "169.254.169.254", "169.254.1.1", "0.0.0.0",
        "100.64.0.1", "::1", "fe80::1", "fd00:ec2::254", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::",
        "224.0.0.1", "255.255.255.255", "fec0::1", "::10.0.0.1", "192.0.0.192", "168.63.129.16",
    ],
)  # fmt: skip
def test_no_store_is_inside_our_network(address: str) -> None:
    assert not is_allowed(address)


def test_the_operator_may_allow_a_network_but_never_the_metadata() -> None:
    from ipaddress import ip_network

    inside = (ip_network("10.0.0.0/8"), ip_network("169.254.0.0/16"))
    assert is_allowed("10.1.2.3", inside)
    assert not is_allowed("169.254.169.254", inside)
    assert is_allowed("1.1.1.1")
    assert is_allowed("2606:4700::1111")


def test_a_name_that_leads_inside_is_refused_at_the_connection(lax: LaxServer) -> None:
    with pytest.raises(StoreRefused, match="private network"):
        resolve("localhost", lax.port)
    store = S3Store(lax.place(netloc=f"localhost:{lax.port}", guarded=True), timeout_s=5)
    with pytest.raises(StoreRefused, match="private network"):
        store.head("a/b")
    assert lax.objects == {}


def test_a_guarded_store_works_where_the_operator_allows_it(lax: LaxServer) -> None:
    from ipaddress import ip_network

    place = lax.place(guarded=True, allowed=(ip_network("127.0.0.0/8"),))
    assert refusals(tried(lax, guarded=True, allowed=place.allowed)) == []


def rados_place(server: S3Server, bucket: str, **changes: Any) -> S3Config:
    place = dataclasses.replace(S3Config.of_url(server.url(bucket)), **changes)
    S3Store(dataclasses.replace(place, server_side=ServerSide.NONE)).ensure_bucket()
    return place


@pytest.mark.s3
@pytest.mark.timeout(180)
def test_a_real_server_passes_every_hard_check(radosgw: S3Server) -> None:
    store = S3Store(rados_place(radosgw, "probe-plain", prefix="dance/footage/"))
    context = ProbeContext(store, FOLDER, "default", pinned="default", page_origin="https://studio.example")
    found = {finding.check: finding for finding in probe(context)}
    assert refusals(found) == [], found
    assert found["region"].detail.startswith(("The region is default", "The store does not report"))
    assert context.direct_reads
    assert found["browsers"].outcome is ProbeOutcome.PASS


@pytest.mark.s3
@pytest.mark.timeout(180)
def test_a_real_server_encrypts_with_its_key_service_and_says_so(radosgw: S3Server) -> None:
    place = rados_place(radosgw, "probe-kms", server_side=ServerSide.SSE_KMS, kms_key_id=KMS_KEY_ID)
    found = {finding.check: finding for finding in probe(ProbeContext(S3Store(place), FOLDER, "default"))}
    assert refusals(found) == [], found
    assert "aws:kms" in found["encryption by the store"].detail
    wrong = dataclasses.replace(place, kms_key_id="no-such-key")
    assert refusals({item.check: item for item in probe(ProbeContext(S3Store(wrong), FOLDER, "default"))})
