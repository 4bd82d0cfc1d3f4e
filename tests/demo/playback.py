"""A viewer of the demonstration without a browser: signs in by a link, plays the tracks, reads the burnt-in frames."""

import re
from dataclasses import dataclass
from typing import Any

import av
import httpx

from tools.demo_scene.frame_code import read_code


@dataclass(frozen=True)
class Seen:
    """One picture of a track: the time at which it was shown, and the content of its frame code.

    Attributes:
        class_s: Its time in the class, seconds.
        camera: The camera burnt into it.
        frame: The frame of the loop burnt into it.
    """

    class_s: float
    camera: str
    frame: int


class Viewer:
    """Somebody who signed in by a one-time link."""

    def __init__(self, link: str) -> None:
        self.http = httpx.Client(follow_redirects=True, timeout=30)
        page = self.http.get(link)
        form = dict(re.findall(r'name="(csrfmiddlewaretoken|token)" value="([^"]+)"', page.text))
        assert set(form) == {"csrfmiddlewaretoken", "token"}, "the sign-in page has no form"
        origin = link.split("/accounts/")[0]
        signed_in = self.http.post(
            f"{origin}/accounts/link/", data=form, headers={"Referer": link, "Origin": origin}
        )
        assert signed_in.status_code == 200, signed_in.text

    def timeline(self, address: str) -> dict[str, Any]:
        """Returns the class's timeline."""
        answer = self.http.get(f"{address}timeline.json")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def watch(self, address: str, track: dict[str, Any]) -> list[Seen]:
        """Plays a track from its playlist, with its keys, and returns every picture."""
        origin = address.split("/studio/")[0]
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)
        # (class time, playlist time, duration) of each fragment, seconds.
        fragments = track["fragments"]
        seen = []
        options = {"headers": f"Cookie: {cookies}\r\n", "allowed_extensions": "ALL", "extension_picky": "0"}
        with av.open(origin + track["playlist_url"], "r", options=options, timeout=60) as container:
            video = container.streams.video[0]
            first = None
            for frame in container.decode(video):
                code = read_code(frame.to_ndarray(format="gray"))
                assert code is not None, "a picture of the recording has no readable frame code"
                assert frame.time is not None
                first = frame.time if first is None else first
                playlist_s = fragments[0][1] + frame.time - first
                place = max(
                    (item for item in fragments if item[1] <= playlist_s + 1e-3), key=lambda item: item[1]
                )
                seen.append(Seen(place[0] + playlist_s - place[1], code.camera, code.frame))
        return seen
