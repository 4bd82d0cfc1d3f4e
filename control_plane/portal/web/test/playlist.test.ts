import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePieces, pieceAt, withGaps } from "../src/player/playlist.ts";
import { PieceBook } from "../src/player/playlist_state.ts";

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

test("pieces stand where the playlist puts them, each with its init section", () => {
  assert.deepEqual(
    parsePieces(PLAYLIST).map(({ index, startS, durationS, init, gap }) => [index, startS, durationS, init, gap]),
    [
      [0, 0, 0.5, "init/a.mp4", true],
      [1, 0.5, 2, "init/a.mp4", false],
      [2, 2.5, 1.5, "init/a.mp4", false],
      [3, 4, 2, "init/b.mp4", false],
    ],
  );
  assert.equal(pieceAt(parsePieces(PLAYLIST), 2.49)?.index, 1);
  assert.equal(pieceAt(parsePieces(PLAYLIST), 99)?.index, 3);
  assert.equal(pieceAt([], 1), null);
});

test("a playlist of which nothing is skipped keeps all that it says", () => {
  const same = withGaps(PLAYLIST, () => false);
  assert.deepEqual(parsePieces(same), parsePieces(PLAYLIST));
  assert.deepEqual(keysAndRanges(same), keysAndRanges(PLAYLIST));
});

test("a skipped piece becomes a gap of its length that asks for no key and no bytes", () => {
  const without = withGaps(PLAYLIST, (piece) => piece.index === 2);
  assert.deepEqual(
    parsePieces(without).map(({ startS, gap }) => [startS, gap]),
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

test("an init section that only skipped pieces need is not asked for", () => {
  const first = withGaps(PLAYLIST, (piece) => piece.init === "init/b.mp4");
  assert.ok(!first.includes("init/b.mp4") && first.includes("init/a.mp4"));
  const second = withGaps(PLAYLIST, (piece) => piece.init === "init/a.mp4");
  assert.ok(!second.includes("init/a.mp4"));
  assert.ok(second.indexOf("init/b.mp4") < second.indexOf("#EXTINF"), "the decoder is set up before the first piece");
  assert.equal(second.split("EXT-X-MAP").length, 2);
});

test("each init section stands before the first piece that needs it, behind the end of the key before it", () => {
  const lines = withGaps(PLAYLIST, () => false).split("\n");
  const map = lines.indexOf('#EXT-X-MAP:URI="init/b.mp4"');
  assert.equal(lines[map - 1], "#EXT-X-KEY:METHOD=NONE");
  assert.ok(lines.indexOf("#EXT-X-DISCONTINUITY") < map && map < lines.findIndex((line) => line.includes("IV=0x03")));
});

test("a stream plays the pieces that declare the same tracks, and none that was given up", () => {
  const book = new PieceBook();
  book.pieces = parsePieces(PLAYLIST);
  const [, one, two, three] = book.pieces;
  assert.ok(one && two && three);
  assert.ok(book.playable(three, undefined), "nothing is known yet");
  book.learn("init/a.mp4", "soun:mp4a vide:avc1", [2]);
  book.learn("init/b.mp4", "vide:avc1", []);
  assert.ok(book.playable(one, book.tracksOf(one)) && !book.playable(three, book.tracksOf(one)));
  book.lose(two.startS);
  assert.ok(!book.playable(two, book.tracksOf(one)));
});

test("a piece whose sound is damaged plays like one that has none; after three the track does", () => {
  const book = new PieceBook();
  book.pieces = [0, 1, 2, 3, 4].map((index) => ({ index, startS: index, durationS: 1, init: "a", gap: false }));
  const [first, second] = book.pieces;
  assert.ok(first && second);
  assert.deepEqual(book.silence(0, "damaged"), [], "whether it has sound is not known yet");
  book.learn("a", "soun:mp4a vide:avc1", [2]);
  assert.deepEqual(book.silence(0, "damaged"), [0]);
  assert.deepEqual(book.silence(0, "damaged"), [], "without sound it fails for another reason");
  assert.equal(book.tracksOf(first), "vide:avc1");
  assert.equal(book.tracksOf(second), "soun:mp4a vide:avc1");
  assert.deepEqual([...book.silence(2, "damaged"), ...book.silence(3, "damaged")], [2, 3]);
  assert.ok(book.isAllSilent && book.tracksOf(second) === "vide:avc1");
});

test("where sound is missing some pieces play without, as far as they have the same init section", () => {
  const book = new PieceBook();
  book.pieces = Array.from({ length: 12 }, (_, index) => {
    return { index, startS: index, durationS: 1, init: index < 7 ? "a" : "b", gap: false };
  });
  book.learn("a", "soun:mp4a vide:avc1", [2]);
  book.learn("b", "soun:mp4a vide:avc1", [2]);
  assert.deepEqual(book.silence(1, "missing"), [1, 2, 3, 4]);
  assert.deepEqual(book.silence(6, "missing"), [6]);
  const silent = book.pieces.filter((piece) => book.isSilent(piece)).map((piece) => piece.index);
  assert.deepEqual(silent, [1, 2, 3, 4, 6]);
  assert.ok(!book.isAllSilent, "missing sound comes back");
});

function keysAndRanges(playlist: string): string[] {
  return playlist.split("\n").filter((line) => /KEY:METHOD=AES|BYTERANGE|^#EXTINF|m4s|DISCONTINUITY|DATE/.test(line));
}
