import assert from "node:assert/strict";
import { test } from "node:test";

import {
  blankAt,
  classTimeAt,
  fragmentAt,
  frameAt,
  mediaTimeAt,
  missingOf,
  openingS,
  parseTimeline,
  playableRange,
  sameGap,
  stepFrom,
  TimelineError,
  type Track,
  withoutFragment,
} from "../src/player/timeline.ts";

function body(fragments: number[][], gaps: object[] = [], extra: object = {}): unknown {
  return {
    class: { id: "c", title: "Class", start_at: "2026-11-21T12:03:00Z", duration_s: 10, state: "replayable" },
    tracks: [
      {
        id: "right",
        name: "Right",
        position: "right",
        playlist_url: "/r.m3u8",
        video: { codec: "h264", width: 1280, height: 720, fps: 25 },
        audio: true,
        clock: { method: "rtcp_sr", error_bound_ms: 0.4 },
        fragments,
        gaps,
        ...extra,
      },
    ],
  };
}

function track(fragments: number[][], gaps: object[] = []): Track {
  return parseTimeline(body(fragments, gaps)).tracks[0] as Track;
}

const WITH_GAP = [
  [0.5, 0, 2],
  [2.5, 2, 2],
  [7.5, 4, 2.5],
];

test("class time and media time convert into each other on both sides of a gap", () => {
  const it = track(WITH_GAP);
  for (const classS of [0.5, 1.23, 4.4, 7.5, 9.99]) {
    const mediaS = mediaTimeAt(it, classS);
    assert.ok(mediaS !== null);
    assert.ok(Math.abs(classTimeAt(it, mediaS) - classS) < 1e-9, `${classS} came back as ${classTimeAt(it, mediaS)}`);
  }
  assert.equal(mediaTimeAt(it, 7.5), 4);
});

test("a stretch without a fragment is blank, with the reason of the gap that covers most of it", () => {
  const gap = { from_s: 4.4, to_s: 7.6, reason: "camera_offline", label: "camera offline" };
  const it = track(WITH_GAP, [gap]);
  assert.deepEqual(
    it.blanks.map((blank) => [blank.fromS, blank.toS, blank.reason]),
    [
      [0, 0.5, "unknown"],
      [4.5, 7.5, "camera_offline"],
    ],
  );
  assert.equal(mediaTimeAt(it, 6), null);
  assert.equal(blankAt(it, 4.49), null);
  assert.equal(blankAt(it, 7.5), null);
});

test("blanks without a reported gap are listed as missing", () => {
  const it = track(WITH_GAP, [{ from_s: 4.5, to_s: 7.5, reason: "camera_offline", label: "camera offline" }]);
  assert.deepEqual(
    missingOf(it).map((gap) => gap.reason),
    ["unknown", "camera_offline"],
  );
});

test("a stretch shorter than a tenth of a second is no blank", () => {
  const it = track([
    [0, 0, 2],
    [2.08, 2, 7.92],
  ]);
  assert.deepEqual(it.blanks, []);
  assert.equal(mediaTimeAt(it, 2.04), 2);
});

test("a frame is found by its class time and seeked to in its middle", () => {
  const it = track([[0.5, 3, 9.5]]);
  const frame = frameAt(it, 0.5 + 7.9 / 25);
  assert.ok(frame);
  assert.ok(Math.abs(frame.classS - (0.5 + 7 / 25)) < 1e-9);
  assert.ok(Math.abs(frame.middleMediaS - (3 + 7.5 / 25)) < 1e-9);
});

test("the start of a frame belongs to it in spite of rounding", () => {
  const it = track([[0, 0, 10]]);
  for (let n = 0; n < 250; n++) {
    const frame = frameAt(it, n / 25);
    assert.ok(frame && Math.abs(frame.classS - n / 25) < 1e-9, `frame ${n}`);
  }
});

test("steps visit every frame once, forward and back, across fragments", () => {
  const it = track([
    [0, 0, 2],
    [2, 2, 8],
  ]);
  let atS = 1.9;
  const seen: number[] = [];
  for (let n = 0; n < 6; n++) {
    atS = stepFrom(it, atS, 1);
    seen.push(Math.round((frameAt(it, atS)?.classS ?? -1) * 25));
  }
  assert.deepEqual(seen, [48, 49, 50, 51, 52, 53]);
  for (let n = 0; n < 6; n++) atS = stepFrom(it, atS, -1);
  assert.equal(Math.round((frameAt(it, atS)?.classS ?? -1) * 25), 47);
});

test("a step into a blank lands on the first picture after it, and back on the last before it", () => {
  const it = track(WITH_GAP);
  const after = stepFrom(it, 4.49, 1);
  assert.ok(Math.abs(after - (7.5 + 0.02)) < 1e-9);
  const before = stepFrom(it, 7.51, -1);
  assert.ok(before < 4.5 && before > 4.45);
});

test("playback opens where every camera has its first picture", () => {
  const both = body([[0.4, 0, 9]]) as { tracks: object[] };
  both.tracks.push({ ...both.tracks[0], id: "left", position: "left", fragments: [[1.1, 0, 8.9]] });
  const timeline = parseTimeline(both);
  assert.deepEqual(
    timeline.tracks.map((it) => it.id),
    ["left", "right"],
    "tracks stand in the order of the wall",
  );
  assert.equal(openingS(timeline), 1.1);
  assert.deepEqual(playableRange(timeline), [0.4, 10]);
});

test("a class without pictures has an empty range", () => {
  assert.deepEqual(playableRange(parseTimeline(body([]))), [0, 0]);
});

test("a fragment that cannot be played becomes a blank with its reason, and merges with adjacent blanks", () => {
  const whole = track([
    [0, 0, 2],
    [2, 2, 2],
    [4, 4, 6],
  ]);
  const [once, gap] = withoutFragment(whole, 2, "undecodable", "recording damaged") ?? [];
  assert.ok(once && gap);
  assert.deepEqual([gap.fromS, gap.toS, gap.label], [2, 4, "recording damaged"]);
  assert.equal(frameAt(once, 3), null);
  assert.ok(sameGap(blankAt(once, 3), gap));
  assert.deepEqual(missingOf(once), [gap]);
  assert.ok(frameAt(once, 1.99) && frameAt(once, 4));
  const [twice] = withoutFragment(once, 4, "unavailable", "not available") ?? [];
  assert.deepEqual([blankAt(twice as Track, 3)?.fromS, blankAt(twice as Track, 3)?.toS], [2, 10]);
  assert.equal(withoutFragment(whole, 1, "undecodable", ""), null, "no fragment begins there");
  assert.equal(whole.fragments.length, 3);
});

test("even the shortest fragment becomes a blank, so that no seek waits for its picture", () => {
  const whole = track([
    [0, 0, 2],
    [2, 2, 0.05],
    [2.05, 2.05, 7.95],
  ]);
  const [without] = withoutFragment(whole, 2, "undecodable", "recording damaged") ?? [];
  assert.ok(blankAt(without as Track, 2.02));
  assert.equal(blankAt(without as Track, 2.06), null);
});

test("a media time is in the fragment that plays it, or in none", () => {
  const it = track(WITH_GAP);
  assert.equal(fragmentAt(it, 3.9)?.mediaS, 2);
  assert.equal(fragmentAt(it, 7), null);
});

test("an invalid timeline is refused with the name of the field", () => {
  assert.throws(() => parseTimeline({}), new TimelineError("class is not an object"));
  assert.throws(() => parseTimeline(body([["x", 0, 1]] as unknown as number[][])), /fragment\[0\] is not a number/);
});
