import assert from "node:assert/strict";
import { test } from "node:test";

import { MasterClock, Reading, reference, skewMs, type View } from "../src/player/master_clock.ts";

test("the master clock runs at its rate, and a change of rate does not move it", () => {
  const clock = new MasterClock();
  clock.run(10, 1000);
  assert.equal(clock.at(3000), 12);
  clock.setRate(0.25, 3000);
  assert.equal(clock.at(3000), 12);
  assert.equal(clock.at(7000), 13);
  clock.stand(5);
  assert.equal(clock.at(9000), 5);
});

test("a reading is the mean of what was shown, carried on to now; too few or old pictures give none", () => {
  const reading = new Reading(8, 1500);
  reading.add({ classS: 1.0, atMs: 1000 });
  reading.add({ classS: 1.033, atMs: 1040 });
  assert.equal(reading.at(1100, 1), null);
  reading.add({ classS: 1.067, atMs: 1073 });
  const place = reading.at(1100, 1);
  assert.ok(place !== null && Math.abs(place - 1.0957) < 0.001);
  assert.equal(reading.at(4000, 1), null);
  reading.clear();
  assert.equal(reading.last, null);
});

const VIEW: View = { id: "a", active: true, settled: true, audible: false, lead: false };

test("the clock follows the view that is heard, then the large one, and never one without picture", () => {
  const views = [VIEW, { ...VIEW, id: "b", lead: true }, { ...VIEW, id: "c", audible: true }];
  assert.equal(reference(views), "c");
  assert.equal(reference(views.map((view) => ({ ...view, active: view.id !== "c" }))), "b");
  assert.equal(reference(views.map((view) => ({ ...view, active: false }))), null);
});

test("a view that has just joined leads only where no other can", () => {
  const joined = { ...VIEW, id: "c", audible: true, settled: false };
  assert.equal(reference([VIEW, joined]), "a");
  assert.equal(reference([{ ...VIEW, active: false }, joined]), "c");
});

test("skew is the spread of the views, and none with one view", () => {
  assert.equal(skewMs([1]), null);
  assert.ok(Math.abs((skewMs([1, 1.01, 0.995]) ?? 0) - 15) < 1e-9);
});
