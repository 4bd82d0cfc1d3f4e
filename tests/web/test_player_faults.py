"""Faults of cameras, networks and servers in one view: the other views play to the end, and every seek works."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.web import damage
from tests.web.browser import CHROMIUM, Watched
from tests.web.footage import FPS, Footage, Scene, film, seal
from tests.web.stage import DIST, SILENT, Stage, serve

pytestmark = [
    pytest.mark.web,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine (THREEDANCE_TEST_CHROMIUM names one)"
    ),
    pytest.mark.skipif(not (DIST / "replay.js").exists(), reason="web assets are not built (nox -s assets)"),
]

LONGEST_S = 12
WIDTH, HEIGHT = 320, 180
NOTE_EVERYTHING = """
window.noted = {lost: [], silenced: [], said: [], seen: {}, parked: []};
addEventListener('threedance:lost', ({detail}) => noted.lost.push([detail.track, Math.round(detail.fromS)]), true);
addEventListener('threedance:silenced', ({detail}) => noted.silenced.push([detail.track, Math.round(detail.fromS)]), true);
addEventListener('threedance:frame', ({detail}) => {
  (noted.seen[detail.track] ??= {})[Math.floor(detail.classS + 0.02)] = true;
}, true);
new MutationObserver((changes) => {
  for (const {target, type} of changes) {
    if (type === 'attributes' && target.getAttribute('data-late') + target.getAttribute('data-blank') !== 'falsefalse')
      noted.parked.push(target.dataset.position);
    const live = target.nodeType === 1 ? target : target.parentElement;
    if (live?.matches('[role=status].visually-hidden')) noted.said.push(live.textContent);
  }
}).observe(document, {
  subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ['data-late', 'data-blank'],
});
"""
FULL_FOR_SOUND = """
const {addSourceBuffer} = MediaSource.prototype, {appendBuffer} = SourceBuffer.prototype, full = new WeakSet();
MediaSource.prototype.addSourceBuffer = function (type) {
  const buffer = addSourceBuffer.call(this, type);
  if (type.includes('mp4a')) full.add(buffer);
  return buffer;
};
SourceBuffer.prototype.appendBuffer = function (data) {
  if (full.has(this) && data.byteLength > 3000) throw new DOMException('full', 'QuotaExceededError');
  return appendBuffer.call(this, data);
};
"""
"""The source buffers of views with sound hold no pictures."""


@dataclass(frozen=True)
class Films:
    """Good recordings to be damaged, cut to the length that a test needs."""

    sounding: Footage
    mute: Footage
    hevc: Footage

    def cut(self, footage: Footage, seconds: int) -> Footage:
        """Returns the first seconds of a recording."""
        return seal(footage.init, list(footage.plain[:seconds]))


@pytest.fixture(scope="module")
def films() -> Films:
    return Films(
        film(LONGEST_S, tint=(235, 110, 95), width=WIDTH, height=HEIGHT),
        film(LONGEST_S, tint=(80, 200, 190), audio=False, width=WIDTH, height=HEIGHT),
        film(2, tint=(240, 180, 80), audio=False, codec="libx265", width=WIDTH, height=HEIGHT),
    )


@dataclass
class Show:
    """A class whose left and centre views have something wrong; the right one is whole."""

    viewer: Watched
    stage: Stage
    seconds: int

    @property
    def page(self) -> Page:
        """The page that shows it."""
        return self.viewer.page

    def noted(self, what: str) -> Any:
        """Returns what the page has told of so far."""
        return self.page.evaluate(f"noted.{what}")

    def plate(self, position: str) -> str:
        """Returns what stands on the plate of a view; empty where there is none."""
        plate = self.page.locator(f'.tile[data-position="{position}"] .overlay')
        return plate.inner_text() if plate.is_visible() else ""

    def open(self) -> None:
        """Waits for the first pictures."""
        self.viewer.until_state("paused", timeout_s=30)
        self.viewer.until(lambda: self.viewer.numbers()["right"] == 0)

    def play_to_the_end(self) -> None:
        """Plays at double speed; the whole view is never parked, and shows pictures from the first second to the last."""
        self.viewer.seek(0)
        self.page.evaluate("() => { noted.seen = {}; threedance.player.setRate(2); }")
        self.page.keyboard.press("Space")
        self.viewer.until_state("ended", timeout_s=60)
        assert "right" not in self.noted("parked")
        seen = set(map(int, self.noted("seen.right")))
        assert {0, self.seconds - 1} <= seen
        assert len(seen) > self.seconds / 2

    def seek(self, second: int, *, dark: frozenset[str] = frozenset()) -> None:
        """Seeks into a second of the class; every view but the dark ones shows exactly its picture."""
        number = second * FPS + 17
        self.viewer.seek((number + 0.5) / FPS)
        lit = {"left", "centre", "right"} - dark

        def is_shown() -> bool:
            numbers = self.viewer.numbers()
            plates = {position for position in numbers if self.plate(position)}
            return plates == dark and all(numbers[position] == number for position in lit)

        self.viewer.until(is_shown, timeout_s=20)


Begin = Callable[..., Show]


@pytest.fixture
def begin(browser: Browser, films: Films) -> Iterator[Begin]:
    """Opens a class in a new window."""
    opened: list[Any] = []

    def enter(
        left: Scene | Footage, centre: Scene | Footage, *, faults: dict[str, int], script: str = ""
    ) -> Show:
        seconds = max(len(_scene("x", given).footage.pieces) for given in (left, centre))
        right = Scene("Right", "right", films.cut(films.mute, seconds), audio=False)
        scenes = {"left": _scene("left", left), "centre": _scene("centre", centre), "right": right}
        serving = serve(Stage(scenes, float(seconds)))
        stage = serving.__enter__()
        stage.set_faults(faults)
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        opened.extend([context.close, lambda: serving.__exit__(None, None, None)])
        context.add_init_script(NOTE_EVERYTHING + script)
        viewer = Watched(context.new_page())
        viewer.page.goto(stage.address)
        return Show(viewer, stage, seconds)

    yield enter
    for close in opened:
        close()


def _scene(position: str, given: Scene | Footage) -> Scene:
    footage = given if isinstance(given, Footage) else given.footage
    base = Scene(position.capitalize(), position, footage)
    return base if isinstance(given, Footage) else replace(given, name=base.name, position=position)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "undecodable picture": damage.undecodable_picture,
    "undecodable key frame": damage.undecodable_key_frame,
    "undecodable last picture": damage.undecodable_last_picture,
    "truncated": damage.truncated,
    "missing bytes": damage.without_some_bytes,
    "random bytes": damage.random_bytes,
    "nothing": damage.empty,
    "no media": damage.without_media,
}
STATUSES = (403, 404, 409, 422, 410)


def test_a_damaged_fragment_costs_its_own_pictures_and_nothing_else(begin: Begin, films: Films) -> None:
    kinds = list(DAMAGE.values())
    whole = films.sounding
    hurt = {
        "left": dict(zip(range(1, 12, 3), kinds[::2], strict=True)),
        "centre": dict(zip(range(2, 12, 3), kinds[1::2], strict=True)),
    }
    footage = {
        position: whole.with_fragments({index: how(whole.plain[index]) for index, how in faults.items()})
        for position, faults in hurt.items()
    }
    show = begin(footage["left"], footage["centre"], faults={})
    show.open()
    # A failure ahead of a still picture takes the picture with it: it comes back while the class stands.
    show.viewer.until(lambda: set(show.viewer.numbers().values()) == {0}, timeout_s=20)
    show.play_to_the_end()
    for position, faults in hurt.items():
        seen = set(map(int, show.noted(f"seen.{position}")))
        assert any(second > min(faults) for second in seen), f"{position} came back while the others played"
    for second in range(show.seconds):
        dark = {position for position, faults in hurt.items() if second in faults}
        show.seek(second, dark=frozenset(dark))
    expected = sorted([position, index] for position, faults in hurt.items() for index in faults)
    assert sorted(show.noted("lost")) == expected
    for position, faults in hurt.items():
        assert f"{position.capitalize()} camera: no picture, recording damaged" in show.noted("said")
        assert show.page.locator(f'.lane[data-position="{position}"] .lane__gap').count() == len(faults)
    missing = show.page.get_by_role("region", name="Missing parts").inner_text()
    assert missing.count("recording damaged") == len(expected)
    show.seek(4, dark=frozenset({"left"}))
    assert show.plate("left").split("\n") == [
        "Left camera: no picture",
        "12:03:04–12:03:05 · recording damaged",
    ]


def test_a_fragment_that_is_refused_costs_its_own_pictures_and_nothing_else(
    begin: Begin, films: Films
) -> None:
    whole = films.cut(films.sounding, 9)
    cut_short = replace(
        whole,
        pieces=tuple((at, size - 5 * (index == 3), iv) for index, (at, size, iv) in enumerate(whole.pieces)),
    )
    refused = dict(zip((1, 2, 5, 6, 8), STATUSES, strict=True))
    faults = {f"/media/left/bytes.m4s#{index}": status for index, status in refused.items()}
    show = begin(whole, cut_short, faults=faults)
    show.open()
    show.play_to_the_end()
    assert show.page.locator(".notice").count() == 0, "a refused fragment is no refusal of the class"
    show.seek(3, dark=frozenset({"centre"}))
    for index in refused:
        show.seek(index, dark=frozenset({"left"}))
        show.viewer.until(lambda: "recording not available" in show.plate("left"))
    show.seek(4)
    assert sorted(show.noted("lost")) == [["centre", 3], *(["left", index] for index in refused)]


def test_damage_from_the_first_picture_to_the_last(begin: Begin, films: Films) -> None:
    whole = films.cut(films.sounding, 6)
    lost = whole.with_fragments({i: damage.undecodable_key_frame(whole.plain[i]) for i in range(6)})
    edges = whole.with_fragments({i: damage.undecodable_picture(whole.plain[i]) for i in (0, 5)})
    show = begin(lost, edges, faults={})
    show.open()
    show.play_to_the_end()
    show.seek(0, dark=frozenset({"left", "centre"}))
    for second in (5, 4, 3, 2, 1):
        show.seek(second, dark=frozenset({"left", "centre"} if second == 5 else {"left"}))
    assert sorted(show.noted("lost")) == [["centre", 0], ["centre", 5], *(["left", i] for i in range(6))]


@dataclass(frozen=True)
class Wrong:
    """A fault of a whole view, and the text over it."""

    says: str
    change: Callable[[Films, Footage], Scene | Footage] = lambda films, footage: footage
    faults: dict[str, int] = field(default_factory=dict)
    script: str = ""


GARBAGE_INIT = Wrong("recording damaged", lambda films, whole: replace(whole, init=b"\0" * 700))
H265 = Wrong("format not supported by this browser", lambda films, whole: films.hevc)
NO_KEY = Wrong("recording not available", faults={"key": 404})
KEY_REFUSED = Wrong("recording not available", faults={"key": 403})
KEY_FAILS = Wrong("does not deliver this recording", faults={"key": 503})
NO_INIT = Wrong("recording not available", faults={"init.mp4": 404})
PLAYLIST_FAILS = Wrong("does not deliver this recording", faults={"playlist.m3u8": 500})
NO_PLAYLIST = Wrong("does not deliver this recording", faults={"playlist.m3u8": 404})
STALLED = Wrong("camera: loading", faults={"bytes.m4s": SILENT})
FULL = Wrong("camera: loading", script=FULL_FOR_SOUND)
EMPTY = Wrong(
    "cannot be shown",
    lambda films, whole: Scene("", "", whole, missing=frozenset(range(len(whole.pieces)))),
)
SHORT = Wrong("no picture here", lambda films, whole: films.cut(whole, 1))


@pytest.mark.parametrize(
    ("left", "centre"),
    [
        pytest.param(GARBAGE_INIT, H265, id="formats"),
        pytest.param(NO_KEY, KEY_REFUSED, id="keys"),
        pytest.param(KEY_FAILS, NO_INIT, id="server"),
        pytest.param(PLAYLIST_FAILS, NO_PLAYLIST, id="playlists"),
        pytest.param(FULL, STALLED, id="stalled"),
        pytest.param(SHORT, EMPTY, id="nothing"),
    ],
)
def test_a_view_that_cannot_be_shown_stops_no_other(
    begin: Begin, films: Films, left: Wrong, centre: Wrong
) -> None:
    whole = films.cut(films.sounding, 2)
    faults = {
        f"/media/{position}/{name}": status
        for position, wrong in (("left", left), ("centre", centre))
        for name, status in wrong.faults.items()
    }
    show = begin(left.change(films, whole), centre.change(films, whole), faults=faults, script=left.script)
    show.open()
    show.play_to_the_end()
    both = frozenset({"left", "centre"})
    show.seek(1, dark=both)
    assert left.says in show.plate("left")
    assert centre.says in show.plate("centre")
    show.seek(0, dark=both - {"left"} if left is SHORT else both)


def test_a_view_joins_the_others_when_its_server_gives_it_again(begin: Begin, films: Films) -> None:
    whole = films.cut(films.sounding, LONGEST_S)
    show = begin(
        whole, whole, faults={f"/media/left/bytes.m4s#{index}": 503 for index in range(2, LONGEST_S)}
    )
    show.open()
    show.page.keyboard.press("Space")
    show.viewer.until(lambda: "does not deliver this recording" in show.plate("left"), timeout_s=30)
    show.viewer.until(lambda: any("Left camera: loading" in words for words in show.noted("said")))
    show.stage.set_faults({})
    show.viewer.until(lambda: show.plate("left") == "" and show.viewer.state() == "playing", timeout_s=30)
    assert "Left camera: picture available again" in show.noted("said")
    show.page.keyboard.press("Space")
    show.viewer.until_state("paused")
    show.viewer.until(lambda: len(set(show.viewer.numbers().values())) == 1)


def test_sound_never_takes_its_pictures_with_it(begin: Begin, films: Films) -> None:
    """Sound that a class loses and gets back within, as agents recorded it once, and sound that is noise."""
    whole, mute = films.cut(films.sounding, 8), films.mute
    silent = [damage.without_sound(fragment) for fragment in whole.plain[1:3]]
    comes_and_goes = replace(
        seal(whole.init, [whole.plain[0], *silent, *mute.plain[3:6], *whole.plain[6:]]),
        inits={3: mute.init, 6: whole.init},
    )
    noisy = whole.with_fragments({i: damage.noisy_sound(whole.plain[i]) for i in (2, 5)})
    show = begin(comes_and_goes, noisy, faults={})
    show.open()
    show.play_to_the_end()
    assert show.noted("lost") == []
    for second in (2, 3, 5, 6, 4, 7, 0, 1):
        show.seek(second)
    assert sorted(show.noted("silenced")) == [["centre", 2], ["centre", 5], ["left", 1], ["left", 2]]
    assert "Centre camera: sound missing or damaged" in show.noted("said")
    assert not any("connection" in words for words in show.noted("said")), "no network has failed"
    missing = show.page.get_by_role("region", name="Missing parts").inner_text()
    assert missing.count("sound missing or damaged") == 4


def test_a_view_whose_sound_cannot_be_played_at_all_shows_its_pictures(begin: Begin, films: Films) -> None:
    whole = films.cut(films.sounding, 4)
    misread = replace(whole, init=damage.misread_sound(whole.init))
    noisy = whole.with_fragments({i: damage.noisy_sound(whole.plain[i]) for i in range(4)})
    show = begin(misread, noisy, faults={})
    show.open()
    show.play_to_the_end()
    assert show.noted("lost") == []
    for second in (0, 3, 1, 2):
        show.seek(second)


def test_a_stream_that_reports_a_piece_twice_costs_its_sound_alone(begin: Begin, films: Films) -> None:
    """An append that buffers nothing silences the piece; the element's error then comes from the same stream."""
    whole = films.cut(films.sounding, 2)
    show = begin(whole, whole, faults={})
    show.open()
    show.page.evaluate("""() => {
        const {stream} = threedance.player.trackPlayers[0];
        stream.stopAfterAppended(0, false);
        stream.onElementFailed();
    }""")
    show.play_to_the_end()
    assert show.noted("lost") == []
    show.seek(0)
    assert ["left", 0] in show.noted("silenced")


def test_the_button_to_play_stands_in_the_middle_of_the_large_picture(begin: Begin, films: Films) -> None:
    whole = films.cut(films.sounding, 1)
    show = begin(whole, whole, faults={})
    show.open()
    button = show.page.locator(".stage__start").bounding_box()
    large = show.page.locator('.tile[data-lead="true"]').bounding_box()
    assert button is not None
    assert large is not None
    for at, size in (("x", "width"), ("y", "height")):
        assert abs(button[at] + button[size] / 2 - large[at] - large[size] / 2) < 2  # type: ignore[literal-required]
