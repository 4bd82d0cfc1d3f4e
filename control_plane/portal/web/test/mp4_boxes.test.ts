import assert from "node:assert/strict";
import { test } from "node:test";

import { areBoxesComplete, audioTrackIds, hideAudio, tracksOf } from "../src/player/mp4_boxes.ts";

const VIDEO = 1;
const AUDIO = 2;

const INIT = join(
  box("ftyp", text("iso5")),
  box(
    "moov",
    box("mvhd"),
    trak(VIDEO, "vide", "avc1"),
    trak(AUDIO, "soun", "mp4a"),
    box("mvex", trex(VIDEO), trex(AUDIO)),
  ),
);
const FRAGMENT = join(box("moof", box("mfhd"), traf(VIDEO), traf(AUDIO)), box("mdat", text("pictures and sound")));

test("an init section declares its tracks by handler type and format", () => {
  assert.equal(tracksOf(INIT), "soun:mp4a vide:avc1");
  assert.deepEqual(audioTrackIds(INIT), [AUDIO]);
  assert.equal(tracksOf(text("no boxes at all, but bytes")), "");
  assert.equal(tracksOf(new Uint8Array()), "");
});

test("a hidden track moves no other byte", () => {
  for (const media of [INIT, FRAGMENT]) {
    const hidden = media.slice();
    hideAudio(hidden, [AUDIO]);
    assert.equal(hidden.length, media.length);
    const changed = [...hidden].flatMap((byte, at) => (byte === media[at] ? [] : [at]));
    assert.ok(changed.length > 0);
    assert.ok(changed.every((at) => "trakfex".includes(String.fromCharCode(media[at] ?? 0))));
  }
  const init = INIT.slice();
  hideAudio(init, [AUDIO]);
  assert.equal(tracksOf(init), "vide:avc1");
  const fragment = FRAGMENT.slice();
  hideAudio(fragment, [AUDIO]);
  assert.equal(latin(fragment).split("traf").length, 2);
  assert.ok(latin(fragment).includes("pictures and sound"));
});

test("media is complete if it ends at the end of a box", () => {
  assert.ok(areBoxesComplete(FRAGMENT) && areBoxesComplete(new Uint8Array()));
  for (const cut of [1, 4, 8, 20]) assert.ok(!areBoxesComplete(FRAGMENT.slice(0, -cut)), `${cut} bytes missing`);
  assert.ok(!areBoxesComplete(join(FRAGMENT, text("x"))));
});

test("boxes with arbitrary sizes are read without an error", () => {
  for (let seed = 1; seed < 200; seed++) {
    const noise = Uint8Array.from({ length: seed }, (_, at) => (at * seed * 7919 + seed) & 255);
    tracksOf(noise);
    audioTrackIds(join(box("moov", noise), noise));
    hideAudio(join(box("moof", noise), box("moov", box("trak", noise))), [AUDIO]);
    areBoxesComplete(noise);
  }
  for (const kind of ["trak", "trex", "traf", "tkhd", "tfhd", "hdlr", "stsd"]) {
    const empty = box(kind);
    const nested = [box("moov", box("trak", empty)), box("moov", box("mvex", empty)), box("moof", box("traf", empty))];
    for (const media of [...nested, box("moov", empty), box("moof", empty)]) {
      tracksOf(media);
      hideAudio(media, [AUDIO]);
    }
  }
});

function trak(id: number, handler: string, format: string): Uint8Array {
  const header = box("tkhd", new Uint8Array(12), int(id), new Uint8Array(60));
  const description = box("stsd", new Uint8Array(4), int(1), box(format, new Uint8Array(20)));
  const media = box("mdia", box("hdlr", new Uint8Array(8), text(handler)), box("minf", box("stbl", description)));
  return box("trak", header, media);
}

function trex(id: number): Uint8Array {
  return box("trex", new Uint8Array(4), int(id), new Uint8Array(16));
}

function traf(id: number): Uint8Array {
  return box("traf", box("tfhd", new Uint8Array(4), int(id)), box("trun", new Uint8Array(12)));
}

function box(kind: string, ...contents: Uint8Array[]): Uint8Array {
  const body = join(...contents);
  return join(int(body.length + 8), text(kind), body);
}

function int(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

function text(message: string): Uint8Array {
  return Uint8Array.from(message, (letter) => letter.charCodeAt(0));
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
