"""What a person types as a camera's address, and what is made of it."""

import pytest

from control_plane.fleet.sources import read_address, read_credentials
from shared.protocol.config import Credentials, FileSource, HttpSource, RtspSource


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("rtsp://192.168.1.20:554/main", RtspSource(url="rtsp://192.168.1.20:554/main")),
        ("  RTSPS://cam.local/a?b=c ", RtspSource(url="rtsps://cam.local/a?b=c")),
        ("rtsp://[fe80::1]:8554/x", RtspSource(url="rtsp://[fe80::1]:8554/x")),
        ("http://10.0.0.9/live.ts#t", HttpSource(url="http://10.0.0.9/live.ts")),
        ("https://cam-1.studio.example/s", HttpSource(url="https://cam-1.studio.example/s")),
        ("file:rehearsal.mp4", FileSource(name="rehearsal.mp4")),
    ],
)
def test_good_addresses_are_taken(text: str, source: object) -> None:
    typed = read_address(text)
    assert typed.source == source
    assert typed.credentials is None


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
        ("ftp://10.0.0.1/a", "ftp:// is no camera address"),
        ("rtsp:///main", "names no host"),
        ("rtsp://10.0.0.1:99999/a", "port has to be a number"),
        ("rtsp://10.0.0.1:abc/a", "port has to be a number"),
        ("rtsp://10.0.0.1:0/a", "port has to be a number"),
        ("rtsp://10.0.0.300/a", "four numbers from 0 to 255"),
        ("rtsp://239.1.2.3/a", "not the address of one camera"),
        ("rtsp://exa mple/a", "space or line break"),
        ("rtsp://cam/a\nb", "space or line break"),
        ("rtsp://cam_!/a", "no host name"),
        ("rtsp://cam/a@b", "write it as %40"),
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


def test_a_password_needs_a_user() -> None:
    assert read_credentials("", "") is None
    with pytest.raises(ValueError, match="user name"):
        read_credentials("", "secret")
