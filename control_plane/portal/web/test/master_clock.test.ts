import assert from "node:assert/strict";
import { test } from "node:test";

import {
  chooseReference,
  FrameClock,
  MasterClock,
  type ReferenceCandidate,
  skewMs,
} from "../src/player/master_clock.ts";

test("the master clock runs at its rate, and a rate change does not move it", () => {
  const clock = new MasterClock();
  clock.runFrom(10, 1000);
  assert.equal(clock.at(3000), 12);
  clock.setRate(0.25, 3000);
  assert.equal(clock.at(3000), 12);
  assert.equal(clock.at(7000), 13);
  clock.pauseAt(5);
  assert.equal(clock.at(9000), 5);
});

test("a frame clock extrapolates the mean of its frames; too few or old frames give null", () => {
  const frameClock = new FrameClock(8, 1500);
  frameClock.add({ classS: 1.0, atMs: 1000 });
  frameClock.add({ classS: 1.033, atMs: 1040 });
  assert.equal(frameClock.at(1100, 1), null);
  frameClock.add({ classS: 1.067, atMs: 1073 });
  const place = frameClock.at(1100, 1);
  assert.ok(place !== null && Math.abs(place - 1.0957) < 0.001);
  assert.equal(frameClock.at(4000, 1), null);
  frameClock.clear();
  assert.equal(frameClock.last, null);
});

const VIEW: ReferenceCandidate = { id: "a", isPlaying: true, isSettled: true, isAudible: false, isLead: false };

test("the clock follows the audible view, then the lead view, and never one without a picture", () => {
  const views = [VIEW, { ...VIEW, id: "b", isLead: true }, { ...VIEW, id: "c", isAudible: true }];
  assert.equal(chooseReference(views), "c");
  assert.equal(chooseReference(views.map((view) => ({ ...view, isPlaying: view.id !== "c" }))), "b");
  assert.equal(chooseReference(views.map((view) => ({ ...view, isPlaying: false }))), null);
});

test("a view that has just joined is the reference only if no other can be", () => {
  const joined = { ...VIEW, id: "c", isAudible: true, isSettled: false };
  assert.equal(chooseReference([VIEW, joined]), "a");
  assert.equal(chooseReference([{ ...VIEW, isPlaying: false }, joined]), "c");
});

test("skew is the spread of the views, and null with one view", () => {
  assert.equal(skewMs([1]), null);
  assert.ok(Math.abs((skewMs([1, 1.01, 0.995]) ?? 0) - 15) < 1e-9);
});
