"""The footage that a viewer gets, fragment by fragment: opened with the keys given, and read picture by picture."""

import io
import re
from dataclasses import dataclass
from urllib.parse import urljoin

import av
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.demo.playback import Viewer
from tools.demo_scene.frame_code import read_code
from tools.demo_scene.loop import FPS, FRAMES

KEY = re.compile(r'URI="([^"]+)",IV=0x([0-9a-fA-F]{32})')
RANGE = re.compile(r"(\d+)@(\d+)")


@dataclass(frozen=True)
class Fragment:
    """One fragment as a viewer has it: class time and length in seconds, key, plain bytes, and its pictures' frames."""

    class_s: float
    duration_s: float
    key: bytes
    plain: bytes
    frames: tuple[int, ...]


def fragments_of(viewer: Viewer, address: str, track: dict[str, object]) -> list[Fragment]:
    """Returns every fragment of a track, in order, through the same addresses that a player asks."""
    here = urljoin(address, str(track["playlist_url"]))
    playlist = viewer.http.get(here).text.splitlines()
    times = iter(track["fragments"])  # type: ignore[call-overload]
    keys: dict[str, bytes] = {}
    found = []
    init, key, iv, span, gap = b"", b"", b"", (0, 0), False
    for line in playlist:
        if line.startswith("#EXT-X-MAP"):
            init = viewer.http.get(urljoin(here, line.split('URI="')[1].split('"')[0])).content
        elif line.startswith("#EXT-X-KEY") and (match := KEY.search(line)):
            url, iv = urljoin(here, match[1]), bytes.fromhex(match[2])
            key = keys.setdefault(url, b"") or viewer.http.get(url).content
            keys[url] = key
        elif line.startswith("#EXT-X-BYTERANGE") and (match := RANGE.search(line)):
            span = (int(match[2]), int(match[1]))
        elif line.startswith("#EXT-X-GAP"):
            gap = True
        elif line and not line.startswith("#"):
            if not gap:
                start_s, _, duration_s = next(times)
                last = span[0] + span[1] - 1
                body = viewer.http.get(urljoin(here, line), headers={"Range": f"bytes={span[0]}-{last}"})
                assert body.status_code == 206
                plain = decrypt(body.content, key, iv)
                found.append(Fragment(start_s, duration_s, key, plain, pictures(init + plain)))
            gap = False
    return found


def decrypt(ciphertext: bytes, key: bytes, iv: bytes) -> bytes:
    """Returns the plain bytes of an AES-128-CBC fragment with PKCS#7 padding."""
    opener = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    return unpadder.update(opener.update(ciphertext) + opener.finalize()) + unpadder.finalize()


def pictures(media: bytes) -> tuple[int, ...]:
    """Returns the frame of the loop that each picture says."""
    frames = []
    with av.open(io.BytesIO(media), "r") as container:
        for frame in container.decode(video=0):
            code = read_code(frame.to_ndarray(format="gray"))
            assert code is not None, "a picture without a readable frame code"
            frames.append(code.frame)
    return tuple(frames)


def drift_s(fragment: Fragment, origin_s: float) -> float:
    """Returns how far a fragment's class time is from what its first picture says, given the class time of frame 0."""
    loop_s = FRAMES / FPS
    expected = (fragment.class_s - origin_s) % loop_s
    off = fragment.frames[0] / FPS - expected
    return (off + loop_s / 2) % loop_s - loop_s / 2
