import assert from "node:assert/strict";
import { test } from "node:test";
import { countdownText, elapsedText } from "../src/durations.ts";
import { clockText, hundredths, lengthText, spokenTime, wallText } from "../src/player/format.ts";
import { commandFor } from "../src/player/keyboard.ts";
import { errorOfStatus } from "../src/player/player_error.ts";
import {
  openingArrangement,
  restoreArrangement,
  serializeArrangement,
  withLead,
  withSolo,
  withToggled,
} from "../src/player/stage.ts";
import type { Track } from "../src/player/timeline.ts";

const ORDER = ["l", "c", "r"];
const TRACKS = [
  { id: "l", position: "left" },
  { id: "c", position: "centre" },
  { id: "r", position: "right" },
] as Track[];
const keyPress = (
  key: string,
  more: Partial<{ code: string; shiftKey: boolean; ctrlKey: boolean; altKey: boolean }> = {},
) => commandFor({ key, code: "", shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...more });

test("a class opens with the centre view large and all views shown", () => {
  assert.deepEqual(openingArrangement(TRACKS), { shown: ORDER, lead: "c", shape: "lead" });
});

test("hiding the large view makes another one large, and the last view cannot be hidden", () => {
  const two = withToggled(openingArrangement(TRACKS), "c", ORDER);
  assert.deepEqual(two, { shown: ["l", "r"], lead: "l", shape: "lead" });
  const one = withToggled(two, "l", ORDER);
  assert.deepEqual(withToggled(one, "r", ORDER), one);
});

test("a hidden view that is made large is shown again, in the order of the wall", () => {
  const without = withToggled(openingArrangement(TRACKS), "l", ORDER);
  assert.deepEqual(withLead(without, "l", ORDER).shown, ORDER);
});

test("showing a single view again shows all views", () => {
  const alone = withSolo(openingArrangement(TRACKS), "r", ORDER);
  assert.deepEqual(alone.shown, ["r"]);
  assert.deepEqual(withSolo(alone, "r", ORDER).shown, ORDER);
});

test("an arrangement is stored by position and fits the tracks of another class", () => {
  const kept = serializeArrangement(withToggled(openingArrangement(TRACKS), "l", ORDER), TRACKS);
  const others = TRACKS.map((track) => ({ ...track, id: `${track.id}2` }));
  assert.deepEqual(restoreArrangement(kept, others)?.shown, ["c2", "r2"]);
  assert.equal(restoreArrangement(kept, [{ ...TRACKS[0] } as Track]), null);
  assert.equal(restoreArrangement("{", TRACKS), null);
});

test("keys execute the commands that the dialog lists", () => {
  assert.deepEqual(keyPress(" "), { type: "toggle" });
  assert.deepEqual(keyPress("."), { type: "step", frames: 1 });
  assert.deepEqual(keyPress("ArrowLeft", { shiftKey: true }), { type: "skip", seconds: -1 });
  assert.deepEqual(keyPress("2", { code: "Digit2" }), { type: "lead", index: 1 });
  assert.deepEqual(keyPress('"', { code: "Digit2", shiftKey: true }), { type: "show", index: 1 });
  assert.deepEqual(keyPress("2", { code: "Digit2", altKey: true }), { type: "listen", index: 1 });
  assert.deepEqual(keyPress("K"), { type: "toggle" });
  assert.equal(keyPress("f", { ctrlKey: true }), null, "the browser's own shortcuts stay");
  assert.equal(keyPress("x"), null);
});

test("times are formatted for people", () => {
  assert.equal(clockText(63.4), "1:03");
  assert.equal(clockText(3723), "1:02:03");
  assert.equal(hundredths(2.07), ".07");
  assert.equal(spokenTime(0), "0 seconds");
  assert.equal(spokenTime(61), "1 minute 1 second");
  assert.equal(spokenTime(3600), "1 hour");
  assert.equal(lengthText(0.84), "0.8 s");
  assert.equal(lengthText(19.2), "19 s");
  assert.equal(lengthText(125), "2 min 5 s");
  assert.equal(wallText(Date.parse("2026-11-21T12:03:00Z"), 81.4, "UTC"), "12:04:21");
  assert.equal(elapsedText(3_723_000), "1:02:03");
  assert.equal(countdownText(600_000), "10:00");
  assert.equal(countdownText(-1), "expired");
});

test("an HTTP status becomes an error with advice", () => {
  assert.equal(errorOfStatus(401).kind, "signed-out");
  assert.equal(errorOfStatus(403).kind, "forbidden");
  assert.equal(errorOfStatus(404).kind, "gone");
  assert.equal(errorOfStatus(503).kind, "server");
  assert.equal(errorOfStatus(null).kind, "network");
  assert.match(errorOfStatus(0).view, /Trying again; the other views keep playing/);
});
