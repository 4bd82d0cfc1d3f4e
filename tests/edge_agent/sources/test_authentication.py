"""User and password towards a camera: the examples of the standards, and what cameras make of them."""

from typing import Any

import pytest

from edge_agent.errors import CameraFailed
from edge_agent.sources import authentication
from edge_agent.sources.authentication import Authenticator, challenges_of
from shared.protocol.config import Credentials
from shared.protocol.status import CameraError

MUFASA = Credentials(username="Mufasa", password="Circle of Life")
RFC_7616_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
RFC_7616_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def signed(
    credentials: Credentials,
    challenge: str,
    *,
    method: str = "GET",
    uri: str = "/dir/index.html",
    cnonce: str = "",
) -> str:
    authenticator = Authenticator(credentials, new_cnonce=lambda: cnonce)
    authenticator.add_challenges([challenge], was_signed=False)
    return authenticator.header(method, uri) or ""


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616_come_out(algorithm: str, response: str) -> None:
    challenge = (
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        f'nonce="{RFC_7616_NONCE}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    header = signed(MUFASA, challenge, cnonce=RFC_7616_CNONCE)
    assert f'response="{response}"' in header
    assert f"algorithm={algorithm}" in header
    assert "qop=auth," in header
    assert "nc=00000001" in header


def test_the_example_with_a_hashed_user_comes_out_as_erratum_4897_has_it() -> None:
    challenge = (
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, charset=UTF-8, userhash=true, '
        'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS"'
    )
    login = Credentials(username="Jäsøn Doe", password="Secret, or not?")
    header = signed(login, challenge, uri="/doe.json", cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v")
    assert 'username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"' in header
    assert 'response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"' in header
    assert "userhash=true" in header


def test_the_example_of_rfc_2617_and_one_without_quality_of_protection_come_out() -> None:
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", qop="auth"'
    header = signed(Credentials(username="Mufasa", password="Circle Of Life"), challenge, cnonce="0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in header
    old = signed(Credentials(username="Mufasa", password="CircleOfLife"),
                 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"')  # fmt: skip
    # RFC 2069, as its erratum corrects it.
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in old
    assert "qop" not in old
    assert "algorithm" not in old


def test_basic_is_that_of_rfc_7617() -> None:
    login = Credentials(username="Aladdin", password="open sesame")
    assert signed(login, 'Basic realm="cam"') == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert signed(Credentials(username="test", password="123£"), 'Basic realm="cam", charset="UTF-8"') == (
        "Basic dGVzdDoxMjPCow=="
    )


def test_the_strongest_offer_is_taken_in_whatever_order_they_come() -> None:
    digests = [f'Digest realm="c", nonce="n", algorithm={name}' for name in ("MD5", "SHA-256", "SHA-512-256")]
    authenticator = Authenticator(MUFASA)
    authenticator.add_challenges(['Basic realm="c"', *digests], was_signed=False)
    assert "algorithm=SHA-512-256" in (authenticator.header("GET", "/") or "")
    authenticator.add_challenges([f'Basic realm="c", {digests[1]}, {digests[0]}'], was_signed=False)
    assert "algorithm=SHA-256" in (authenticator.header("GET", "/") or "")
    authenticator.add_challenges(
        ['Digest realm="c", nonce="n", algorithm=MURMUR', 'Basic realm="c"'], was_signed=False
    )
    assert (authenticator.header("GET", "/") or "").startswith("Basic ")


def test_challenges_are_read_however_they_are_written() -> None:
    found = challenges_of(
        [
            'Digest realm="a, b=\\"c\\"",nonce=n ,  stale=TRUE , algorithm="sha-256",Basic realm="x"',
            "Negotiate",
            ",,",
        ]
    )
    assert [one.scheme for one in found] == ["digest", "basic", "negotiate"]
    assert found[0].parameters == {"realm": 'a, b="c"', "nonce": "n", "stale": "TRUE", "algorithm": "sha-256"}
    assert found[0].algorithm == "SHA-256"


def test_each_request_has_a_number_and_a_nonce_of_its_own() -> None:
    authenticator = Authenticator(MUFASA)
    authenticator.add_challenges(['Digest realm="c", nonce="one", qop="auth"'], was_signed=False)
    assert "nc=00000001" in (authenticator.header("OPTIONS", "rtsp://c/") or "")
    assert "nc=00000002" in (authenticator.header("DESCRIBE", "rtsp://c/") or "")
    authenticator.add_challenges(['Digest realm="c", nonce="two", qop="auth", stale=true'], was_signed=True)
    again = authenticator.header("DESCRIBE", "rtsp://c/") or ""
    assert 'nonce="two"' in again
    assert "nc=00000001" in again


def test_nothing_is_sent_before_the_camera_asks() -> None:
    assert Authenticator(MUFASA).header("DESCRIBE", "rtsp://c/") is None


@pytest.mark.parametrize(
    ("credentials", "challenges", "was_signed", "error", "words"),
    [
        (None, ['Basic realm="c"'], False, CameraError.REFUSED, "none are set"),
        (MUFASA, ['Basic realm="c"'], True, CameraError.REFUSED, "is wrong"),
        (MUFASA, ['Digest realm="c", nonce="n"'], True, CameraError.REFUSED, "is wrong"),
        (MUFASA, ["Negotiate"], False, CameraError.AUTHENTICATION_UNSUPPORTED, "Negotiate"),
        (MUFASA, ['Digest nonce="n", algorithm=X'], False, CameraError.AUTHENTICATION_UNSUPPORTED, "with X"),
        (MUFASA, ['Digest nonce="n", qop="token"'], False, CameraError.AUTHENTICATION_UNSUPPORTED, "Digest"),
        (MUFASA, ['Digest realm="c"'], False, CameraError.AUTHENTICATION_UNSUPPORTED, "Digest"),
        (MUFASA, [], False, CameraError.AUTHENTICATION_UNSUPPORTED, "does not say"),
    ],
)
def test_what_cannot_be_answered_says_why(
    credentials: Credentials | None, challenges: list[str], was_signed: bool, error: CameraError, words: str
) -> None:
    with pytest.raises(CameraFailed, match=words) as caught:
        Authenticator(credentials).add_challenges(challenges, was_signed=was_signed)
    assert caught.value.error is error


def test_a_nonce_that_was_good_may_run_out_without_a_word_but_a_wrong_password_is_tried_once() -> None:
    authenticator = Authenticator(MUFASA)
    authenticator.add_challenges(['Digest realm="c", nonce="one"'], was_signed=False)
    authenticator.accepted()
    authenticator.add_challenges(['Digest realm="c", nonce="two"'], was_signed=True)
    with pytest.raises(CameraFailed, match="is wrong"):
        authenticator.add_challenges(['Digest realm="c", nonce="three"'], was_signed=True)


def test_a_user_name_cannot_begin_another_header() -> None:
    evil = Credentials(username='a"\r\nX: y', password="p")
    header = signed(evil, 'Digest realm="c", nonce="n"')
    assert "\r" not in header
    assert 'username="a\\"X: y"' in header


class _Counting:
    """A pattern that counts the characters that its tries may look at."""

    def __init__(self, pattern: Any, work: list[int]) -> None:
        self._pattern, self._work = pattern, work

    def match(self, text: str, at: int) -> Any:
        self._work.append(len(text) - at)
        return self._pattern.match(text, at)


@pytest.mark.parametrize("junk", ["a", 'a="\\"', 'a="', "a ", "=", '"', "\\", "a=", " ", "a\xe9"])
@pytest.mark.parametrize("headers", [1, 100])
def test_the_work_for_challenges_is_bounded_however_long_they_are(
    monkeypatch: pytest.MonkeyPatch, junk: str, headers: int
) -> None:
    work: list[int] = []
    for name in ("_PART", "_SCHEME"):
        monkeypatch.setattr(authentication, name, _Counting(getattr(authentication, name), work))

    def done(length: int) -> int:
        work.clear()
        challenges_of([("Digest " + junk * length)[:length]] * headers)
        return sum(work)

    limit = authentication.CHALLENGE_LIMIT_CHARS
    assert done(100) > 0
    assert done(20_000) == done(limit) <= limit**2


def test_all_headers_together_are_read_up_to_a_limit() -> None:
    limit = authentication.CHALLENGE_LIMIT_CHARS
    found = challenges_of(['Digest realm="c", nonce="n"', *["Basic, " * (limit // 7 // 4)] * 100])
    assert found[0].is_usable
    assert limit / 7 * 0.9 < len(found) <= limit / 7
