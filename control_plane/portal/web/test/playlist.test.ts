import assert from "node:assert/strict";
import { test } from "node:test";
import { entryAt, parsePlaylist, withGaps } from "../src/player/playlist.ts";
import { PlaylistState } from "../src/player/playlist_state.ts";

/** As `control_plane.recordings.playlist` writes it: a filler, two fragments, a run with another init section, a fragment. */
const PLAYLIST = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:2
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-MAP:URI="init/a.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-21T12:03:00.000Z
#EXT-X-GAP
#EXTINF:0.500000,
gap.m4s
#EXT-X-KEY:METHOD=AES-128,URI="a/key",IV=0x01
#EXTINF:2.000000,
#EXT-X-BYTERANGE:100@0
a/bytes.m4s
#EXT-X-KEY:METHOD=AES-128,URI="a/key",IV=0x02
#EXTINF:1.500000,
#EXT-X-BYTERANGE:100@100
a/bytes.m4s
#EXT-X-DISCONTINUITY
#EXT-X-KEY:METHOD=NONE
#EXT-X-MAP:URI="init/b.mp4"
#EXT-X-KEY:METHOD=AES-128,URI="b/key",IV=0x03
#EXTINF:2.000000,
#EXT-X-BYTERANGE:100@0
b/bytes.m4s
#EXT-X-ENDLIST
`;

test("entries have the start of the playlist and their init section", () => {
  assert.deepEqual(
    parsePlaylist(PLAYLIST).map(({ index, startS, durationS, init, gap }) => [index, startS, durationS, init, gap]),
    [
      [0, 0, 0.5, "init/a.mp4", true],
      [1, 0.5, 2, "init/a.mp4", false],
      [2, 2.5, 1.5, "init/a.mp4", false],
      [3, 4, 2, "init/b.mp4", false],
    ],
  );
  assert.equal(entryAt(parsePlaylist(PLAYLIST), 2.49)?.index, 1);
  assert.equal(entryAt(parsePlaylist(PLAYLIST), 99)?.index, 3);
  assert.equal(entryAt([], 1), null);
});

test("a playlist without skipped entries keeps all its tags", () => {
  const same = withGaps(PLAYLIST, () => false);
  assert.deepEqual(parsePlaylist(same), parsePlaylist(PLAYLIST));
  assert.deepEqual(keysAndRanges(same), keysAndRanges(PLAYLIST));
});

test("a skipped entry becomes a gap of its duration without key and bytes", () => {
  const without = withGaps(PLAYLIST, (entry) => entry.index === 2);
  assert.deepEqual(
    parsePlaylist(without).map(({ startS, gap }) => [startS, gap]),
    [
      [0, true],
      [0.5, false],
      [2.5, true],
      [4, false],
    ],
  );
  assert.ok(!without.includes("IV=0x02") && !without.includes("100@100"));
  assert.ok(without.includes("#EXT-X-DISCONTINUITY") && without.includes("IV=0x03"));
});

test("an init section that only skipped entries need is left out", () => {
  const first = withGaps(PLAYLIST, (entry) => entry.init === "init/b.mp4");
  assert.ok(!first.includes("init/b.mp4") && first.includes("init/a.mp4"));
  const second = withGaps(PLAYLIST, (entry) => entry.init === "init/a.mp4");
  assert.ok(!second.includes("init/a.mp4"));
  assert.ok(second.indexOf("init/b.mp4") < second.indexOf("#EXTINF"), "the decoder is set up before the first piece");
  assert.equal(second.split("EXT-X-MAP").length, 2);
});

test("each init section precedes the first entry that needs it, after the end of the previous key", () => {
  const lines = withGaps(PLAYLIST, () => false).split("\n");
  const map = lines.indexOf('#EXT-X-MAP:URI="init/b.mp4"');
  assert.equal(lines[map - 1], "#EXT-X-KEY:METHOD=NONE");
  assert.ok(lines.indexOf("#EXT-X-DISCONTINUITY") < map && map < lines.findIndex((line) => line.includes("IV=0x03")));
});

test("a stream plays entries that declare the same tracks, and none that was given up", () => {
  const playlist = new PlaylistState();
  playlist.entries = parsePlaylist(PLAYLIST);
  const [, one, two, three] = playlist.entries;
  assert.ok(one && two && three);
  assert.ok(playlist.isPlayable(three, undefined), "nothing is known yet");
  playlist.setInit("init/a.mp4", "soun:mp4a vide:avc1", [2]);
  playlist.setInit("init/b.mp4", "vide:avc1", []);
  assert.ok(playlist.isPlayable(one, playlist.tracksOf(one)) && !playlist.isPlayable(three, playlist.tracksOf(one)));
  playlist.giveUp(two.startS);
  assert.ok(!playlist.isPlayable(two, playlist.tracksOf(one)));
});

test("an entry with damaged audio plays without audio; after three the whole track does", () => {
  const playlist = new PlaylistState();
  playlist.entries = [0, 1, 2, 3, 4].map((index) => ({ index, startS: index, durationS: 1, init: "a", gap: false }));
  const [first, second] = playlist.entries;
  assert.ok(first && second);
  assert.deepEqual(playlist.silence(0, "damaged"), [], "whether it has sound is not known yet");
  playlist.setInit("a", "soun:mp4a vide:avc1", [2]);
  assert.deepEqual(playlist.silence(0, "damaged"), [0]);
  assert.deepEqual(playlist.silence(0, "damaged"), [], "without sound it fails for another reason");
  assert.equal(playlist.tracksOf(first), "vide:avc1");
  assert.equal(playlist.tracksOf(second), "soun:mp4a vide:avc1");
  assert.deepEqual([...playlist.silence(2, "damaged"), ...playlist.silence(3, "damaged")], [2, 3]);
  assert.ok(playlist.isAudioDisabled && playlist.tracksOf(second) === "vide:avc1");
});

test("if audio is missing, the next entries of the same init section play without it", () => {
  const playlist = new PlaylistState();
  playlist.entries = Array.from({ length: 12 }, (_, index) => {
    return { index, startS: index, durationS: 1, init: index < 7 ? "a" : "b", gap: false };
  });
  playlist.setInit("a", "soun:mp4a vide:avc1", [2]);
  playlist.setInit("b", "soun:mp4a vide:avc1", [2]);
  assert.deepEqual(playlist.silence(1, "missing"), [1, 2, 3, 4]);
  assert.deepEqual(playlist.silence(6, "missing"), [6]);
  const silent = playlist.entries.filter((entry) => playlist.isSilent(entry)).map((entry) => entry.index);
  assert.deepEqual(silent, [1, 2, 3, 4, 6]);
  assert.ok(!playlist.isAudioDisabled, "missing sound comes back");
});

function keysAndRanges(playlist: string): string[] {
  return playlist.split("\n").filter((line) => /KEY:METHOD=AES|BYTERANGE|^#EXTINF|m4s|DISCONTINUITY|DATE/.test(line));
}
