"""Which answers are a success: only those of a control plane, and of a store. Login pages say 200 to everything."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_agent.api import ControlPlaneApi, raise_for_problem
from edge_agent.errors import (
    AuthenticationRefused,
    CaptivePortal,
    NotThreeDance,
    ObjectRefused,
    RequestRefused,
    ServerError,
    ServerInternalError,
    ServerUnavailable,
    TargetExpired,
)
from edge_agent.http import HttpAnswer, HttpClient
from edge_agent.upload.http_upload_client import HttpUploadClient, raise_for_put
from edge_agent.upload.throttle import Throttle
from shared.kernel.clock import ServerClock, SystemClock
from shared.protocol.codec import encode
from shared.protocol.errors import PROBLEM_CONTENT_TYPE, Code, problem
from shared.protocol.ids import ClassSessionId, new_id
from shared.protocol.upload import PutTarget
from tests.edge_agent.upload.rig import MemorySpool

US = "https://studio.example"
SHA256 = "ab" * 32
HTML = {"content-type": "text/html; charset=utf-8"}
PAGE = b"<!DOCTYPE html><title>Free WiFi</title>"
LATER = "Fri, 01 Jan 2027 12:00:00 GMT"


def answer(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> HttpAnswer:
    return HttpAnswer(status, {"date": LATER, **(headers or {})}, body)


def stated(code: Code) -> HttpAnswer:
    said = problem(code)
    return answer(said.status, {"content-type": PROBLEM_CONTENT_TYPE}, encode(said))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (answer(200, HTML, PAGE), CaptivePortal),
        (answer(200, {}, PAGE), CaptivePortal),
        (answer(200, {"content-type": "text/plain"}, b"ok"), NotThreeDance),
        (answer(302, {"location": "http://portal.example/?mac=00:11"}), CaptivePortal),
        (answer(307, {**HTML, "location": "/login"}, PAGE), CaptivePortal),
        (answer(403, HTML, PAGE), CaptivePortal),
        (answer(511, HTML, PAGE), CaptivePortal),
        (answer(404, HTML, PAGE), NotThreeDance),
        (answer(503, HTML, PAGE), ServerUnavailable),
        (answer(500, HTML, PAGE), ServerInternalError),
        (answer(401), AuthenticationRefused),
        (stated(Code.BAD_REQUEST), RequestRefused),
        (stated(Code.INTERNAL), ServerInternalError),
    ],
)
def test_only_an_answer_of_a_control_plane_counts(given: HttpAnswer, error: type[ServerError]) -> None:
    with pytest.raises(ServerError) as caught:
        raise_for_problem(given, US)
    assert type(caught.value) is error
    assert "mac=" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [answer(200, {"content-type": "application/json"}, b"{}"), answer(204), answer(304)],
)
def test_its_answers_pass(given: HttpAnswer) -> None:
    raise_for_problem(given, US)


def test_before_the_agent_is_paired_a_web_page_is_a_wrong_address() -> None:
    with pytest.raises(NotThreeDance) as caught:
        raise_for_problem(answer(200, HTML, PAGE), US, is_known=False)
    assert "is not a 3Dance control plane" in str(caught.value)


def test_a_login_page_is_named_as_one_with_the_way_out() -> None:
    with pytest.raises(CaptivePortal) as caught:
        raise_for_problem(answer(200, HTML, PAGE), US)
    assert "a login page of this network answers instead of the control plane" in str(caught.value)
    assert "sign in there" in caught.value.hint


ETAG = {"etag": f'"{SHA256}"'}
CHECKSUM = {"etag": '"x"', "x-amz-checksum-sha256": b64encode(bytes.fromhex(SHA256)).decode()}


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (answer(200, HTML, PAGE), CaptivePortal),
        (answer(201), CaptivePortal),
        (answer(302, HTML, PAGE), CaptivePortal),
        (answer(412, HTML, PAGE), CaptivePortal),
        (answer(200, {"etag": f'"{"cd" * 32}"'}), ServerUnavailable),
        (answer(200, CHECKSUM | {"x-amz-checksum-sha256": "AAAA"}), ServerUnavailable),
        (answer(403, {"content-type": "application/xml"}, b"<Error/>"), TargetExpired),
        (stated(Code.UPLOAD_TARGET_EXPIRED), TargetExpired),
        (answer(400), ObjectRefused),
        (answer(413, HTML, PAGE), ObjectRefused),
        (answer(503, HTML, PAGE), ServerUnavailable),
        (answer(307, {"location": "https://eu.store.example/"}), ServerUnavailable),
    ],
)
def test_a_put_counts_only_where_a_store_says_what_it_keeps(
    given: HttpAnswer, error: type[ServerError]
) -> None:
    with pytest.raises(ServerError) as caught:
        raise_for_put(given, f"{US}/footage/a.seg?X-Amz-Signature=secret", SHA256)
    assert type(caught.value) is error
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        answer(200, {"etag": '"d41d8cd98f00b204e9800998ecf8427e"'}),
        answer(201, ETAG),
        answer(201, ETAG | HTML),  # nothing at all is no page, whatever its type
        answer(204, {"etag": f'W/"{SHA256}"'}),
        answer(200, CHECKSUM),
        answer(412),
        answer(412, {"content-type": "application/xml"}, b"<Error/>"),
    ],
)
def test_a_put_that_a_store_answers_counts(given: HttpAnswer) -> None:
    raise_for_put(given, US, SHA256)


@pytest.mark.parametrize(
    "header", [{"x-amz-meta-a b": "1"}, {"x-amz-meta": "1\r\nHost: other.example"}, {"x-amz-meta": "\u00e9"}]
)
async def test_an_upload_header_that_http_cannot_carry_is_refused_before_anything_is_sent(
    tmp_path: Path, header: dict[str, str]
) -> None:
    sent: list[httpx.Request] = []

    def store(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(201, headers=ETAG)

    manifest = MemorySpool(tmp_path).add(ClassSessionId(new_id()))
    target = PutTarget(
        segment_id=manifest.segment_id, url=f"{US}/a", headers=header, expires_at=datetime.now(UTC)
    )
    clock = ServerClock(SystemClock())
    caught: Exception | None = None
    async with HttpClient(transport=httpx.MockTransport(store)) as http:
        api = ControlPlaneApi(http, US, clock, None)
        try:
            await HttpUploadClient(api, http, Throttle(clock)).put(
                target, MemorySpool(tmp_path).path(manifest), manifest
            )
        except Exception as error:  # also one that is not of our errors: the upload task would end with it
            caught = error
    assert isinstance(caught, NotThreeDance), f"{caught!r}"
    assert not sent


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "120"}, 120),
        ({"retry-after": "999999"}, 3600),
        ({"retry-after": "Fri, 01 Jan 2027 12:02:00 GMT"}, 120),
        ({"retry-after": "Fri, 01 Jan 2027 11:00:00 GMT"}, 0),
        ({"retry-after": "Sat, 01 Jan 2028 12:02:00 GMT"}, 3600),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "Fri, 99 Jan 2027 12:02:00 GMT"}, None),
        ({"retry-after": "\u0665"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_both_its_forms_by_the_servers_own_clock(
    headers: dict[str, str], seconds: Any
) -> None:
    assert answer(503, headers).retry_after_s == seconds


def test_retry_after_as_a_date_says_nothing_without_the_servers_date() -> None:
    until = (datetime(2027, 1, 1, 12, tzinfo=UTC) + timedelta(minutes=2)).strftime(
        "%a, %d %b %Y %H:%M:%S GMT"
    )
    assert HttpAnswer(503, {"retry-after": until}, b"").retry_after_s is None
