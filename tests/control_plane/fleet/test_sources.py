"""Camera addresses as a person types them, and the sources made of them."""

import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.fleet.sources import TypedSource, read_address, read_credentials
from shared.protocol.config import Credentials, FileSource, HttpSource, RtspSource


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("rtsp://192.168.1.20:554/main", RtspSource(url="rtsp://192.168.1.20:554/main")),
        ("  RTSPS://Cam.Local/A?channel=2 ", RtspSource(url="rtsps://cam.local/A?channel=2")),
        ("rtsp://[fe80::1]:8554/x", RtspSource(url="rtsp://[fe80::1]:8554/x")),
        ("rtsp://[::1]/x?channel=1&subtype=0", RtspSource(url="rtsp://[::1]/x?channel=1&subtype=0")),
        ("https://cam-1.studio.example/s", HttpSource(url="https://cam-1.studio.example/s")),
        ("file:rehearsal.mp4", FileSource(name="rehearsal.mp4")),
    ],
)
def test_good_addresses_are_taken(text: str, source: object) -> None:
    typed = read_address(text)
    assert typed.source == source
    assert typed.credentials is None
    assert typed.tail == ""


def test_credentials_are_split_out_of_the_address() -> None:
    typed = read_address("rtsp://admin:p%40ss%2Fword@10.0.0.1/live")
    assert typed.source == RtspSource(url="rtsp://10.0.0.1/live")
    assert typed.credentials == Credentials(username="admin", password="p@ss/word")
    assert "p@ss" not in repr(typed)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Type the camera's address"),
        ("192.168.1.20/main", "Did you mean rtsp://192.168.1.20/main?"),
        ("admin:geheim@192.168.1.20/main", "Did you mean rtsp://192.168.1.20/main?"),
        ("ftp://10.0.0.1/a", "ftp:// is not a camera address"),
        ("rtsp:///main", "has no host"),
        ("rtsp://10.0.0.1:99999/a", "port must be a number"),
        ("rtsp://10.0.0.1:abc/a", "port must be a number"),
        ("rtsp://10.0.0.1:0/a", "port must be a number"),
        ("rtsp://10.0.0.300/a", "four numbers from 0 to 255"),
        ("rtsp://239.1.2.3/a", "not the address of one camera"),
        ("rtsp://10.0.0.1:/a", "port must be a number"),
        ("rtsp://exa mple/a", "contains a space"),
        ("rtsp://cam/a b", "write it as %20"),
        ("rtsp://cam/a\nb", "line break"),
        ("rtsp://cam/a\u2028b", "line break"),
        ("rtsp://cam/a#b", "write it as %23"),
        ("http://10.0.0.9/live.ts#t", "write it as %23"),
        ("rtsp://cam_!/a", "not a host name"),
        ("rtsp://[10.0.0.1]/a", "IPv6 address"),
        ("rtsp://[::1/a", "brackets"),
        ("rtsp://cam/a@b", "as %40"),
        ("rtsp://u:geheim@cam/a?mail=x@y", "as %40"),
        ("http://10.0.0.1/live?user=u&password=geheim@1", "as %40"),
        ("rtsp://admin:12#34geheim@10.0.0.1/a", "%23"),
        ("rtsp://admin:12/34geheim@10.0.0.1/a", "%2F"),
        ("rtsp://admin:geheim%41#@10.0.0.1/a", "%25"),
        ("rtsp://admin:geheim%ff@10.0.0.1/a", "%25"),
        ("http://10.0.0.1/live?***", "Type what *** stands for"),
        ("rtsp://10.0.0.1/***", "Type what *** stands for"),
        ("admin:geh#eim", "must start with rtsp://"),
        ("10.0.0.1/live?password=geheim", "must start with rtsp://"),
        ("rtsp://:pw@cam/a", "Type the camera's user name"),
        ("file:../etc/passwd", "no folders"),
        ("file:///etc/passwd", "no folders"),
        ("rtsp://cam/" + "a" * 2000, "longer than 2000"),
    ],
)
def test_each_bad_address_is_refused_with_its_own_words(text: str, says: str) -> None:
    with pytest.raises(ValueError) as refusal:
        read_address(text)
    assert says in str(refusal.value)
    assert "geheim" not in str(refusal.value)


@pytest.mark.parametrize(
    "password",
    [
        "#abc",
        "pa#ss",
        "pa/ss",
        "p?a",
        "p@ss",
        "a:b",
        ":",
        "[x]",
        "100%",
        "%",
        "p w",
        "p%zz",
        "ä ö",
        "#/?@[]: %",
        "12%34",
    ],
)
def test_a_password_is_taken_as_it_is_whatever_signs_it_holds(password: str) -> None:
    """Pasted from a manager of passwords, as people do it."""
    if re.search("%[0-9A-Fa-f]{2}", password):
        typed = read_address(f"rtsp://admin:{password}@192.168.1.20/stream1")
        assert typed.credentials == Credentials(username="admin", password=unquote(password))
        return
    typed = read_address(f"rtsp://admin:{password}@192.168.1.20/stream1")
    assert typed.source == RtspSource(url="rtsp://192.168.1.20/stream1")
    assert typed.credentials == Credentials(username="admin", password=password)


SIGNS = st.text(alphabet="ab1#/?@:[]% &=+\\'\"", max_size=12)


def attempt(text: str) -> TypedSource | str:
    """Returns what an address means, or why it is refused."""
    try:
        return read_address(text)
    except ValueError as refusal:
        return str(refusal)


@given(SIGNS.filter(lambda user: user and ":" not in user), SIGNS)
def test_a_pasted_password_is_taken_whole_or_refused_and_never_changes_the_host(
    user: str, password: str
) -> None:
    pasted = f"rtsp://{user}:{password}@192.168.1.20/stream1".strip()
    typed = attempt(pasted)
    if isinstance(typed, str):
        assert len(password) < 5 or password not in typed
        return
    assert typed.source == RtspSource(url="rtsp://192.168.1.20/stream1")
    assert typed.tail == ""
    assert typed.credentials is not None
    as_typed = (user, password)
    assert (typed.credentials.username, typed.credentials.password) in (
        as_typed,
        tuple(map(unquote, as_typed)),
    )


@given(SIGNS, SIGNS)
def test_an_escaped_password_comes_out_as_it_was(user: str, password: str) -> None:
    typed = read_address(f"rtsp://x{quote(user, safe='')}:{quote(password, safe='')}@cam.local:554/a")
    assert typed.credentials == Credentials(username=f"x{user}", password=password)
    assert typed.source == RtspSource(url="rtsp://cam.local:554/a")


@pytest.mark.parametrize(
    ("address", "clear", "tail"),
    [
        (
            "http://10.0.0.1/flv?app=bcs&user=u&password=p%40",
            "http://10.0.0.1/flv?",
            "app=bcs&user=u&password=p%40",
        ),
        (
            "rtsp://10.0.0.1:554/user=u&password=p&channel=1",
            "rtsp://10.0.0.1:554/",
            "user=u&password=p&channel=1",
        ),
        ("http://a:b@10.0.0.1/live?t=1", "http://10.0.0.1/live?", "t=1"),
    ],
)
def test_the_secret_end_of_an_address_is_split_off(address: str, clear: str, tail: str) -> None:
    typed = read_address(address)
    assert not isinstance(typed.source, FileSource)
    assert (typed.source.url, typed.tail) == (clear, tail)
    assert tail not in repr(typed)


def test_a_password_needs_a_user() -> None:
    assert read_credentials("", "") is None
    with pytest.raises(ValueError, match="user name"):
        read_credentials("", "secret")
