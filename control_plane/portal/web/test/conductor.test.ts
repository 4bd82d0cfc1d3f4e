import assert from "node:assert/strict";
import { test } from "node:test";

import { correct, MasterClock, Reading, reference, skewMs, type View } from "../src/player/conductor.ts";

test("a view in its place is left alone, one a little off is bent, one far off jumps", () => {
  assert.deepEqual(correct(0.003, 1), { kind: "hold", rate: 1 });
  assert.equal(correct(0.3001, 1).kind, "seek");
  assert.equal(correct(-0.3001, 1).kind, "seek");
  assert.ok(correct(0.02, 1).rate < 1, "ahead is slowed");
  assert.ok(correct(-0.02, 1).rate > 1, "behind is hurried");
});

test("a bend stays within a tenth of the chosen rate, and scales with it", () => {
  assert.equal(correct(0.2, 1).rate, 0.9);
  assert.equal(correct(-0.2, 0.5).rate, 0.55);
  assert.ok(Math.abs(correct(0.01, 2).rate - 1.96) < 1e-12);
});

test("a view that has just joined may hurry more", () => {
  assert.ok(correct(-0.2, 1, false).rate > 1.3);
});

test("the controller brings a late view home within two seconds and does not swing past", () => {
  let errorS = -0.06;
  const errors: number[] = [];
  for (let tick = 0; tick < 30; tick++) {
    errorS += (correct(errorS, 1).rate - 1) * 0.1;
    errors.push(errorS);
  }
  assert.ok(Math.abs(errors[19] as number) < 0.006, `after 2 s still ${errors[19]}`);
  assert.ok(Math.max(...errors) < 0.004, "it overshot");
});

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
