import assert from "node:assert/strict";
import { test } from "node:test";

import {
  DriftControl,
  HOLD_UNDER_S,
  MAX_RATE_CHANGE,
  MAX_RATE_CHANGE_JOINING,
  RateChangeCost,
} from "../src/player/drift_control.ts";

const FRAME_S = 1 / 30;

/** A view whose clock runs exactly at its rate, but loses `costS` at the start of each bend, as browsers do. */
class Simulated {
  errorS: number;
  rate = 1;
  changes = 0;
  nowMs = 0;
  seeks = 0;

  constructor(
    readonly driftControl: DriftControl,
    errorS: number,
    readonly costS = 0,
    readonly chosen = 1,
  ) {
    this.errorS = errorS;
    this.rate = chosen;
  }

  tick(frameErrorS: number | null = null): void {
    const correction = this.driftControl.update(this.nowMs, this.errorS, frameErrorS, FRAME_S, this.chosen);
    if (Math.abs(correction.rate - this.rate) > 1e-9) {
      this.changes++;
      if (this.rate === this.chosen) this.errorS -= this.costS;
    }
    this.rate = correction.rate;
    if (correction.seek) {
      this.seeks++;
      this.errorS = 0.02;
    }
    this.nowMs += 100;
    this.errorS += (this.rate - this.chosen) * 0.1;
  }

  run(ticks: number): void {
    for (let n = 0; n < ticks; n++) this.tick();
  }
}

test("a view in place is not corrected", () => {
  const view = new Simulated(new DriftControl(new RateChangeCost()), HOLD_UNDER_S * 0.9);
  view.run(50);
  assert.equal(view.changes, 0);
});

test("a view with an error converges and then rests, whatever a rate change costs", () => {
  for (const costS of [0, 0.025, -0.012]) {
    for (const startS of [-0.2, -0.06, 0.04, 0.25]) {
      const view = new Simulated(new DriftControl(new RateChangeCost()), startS, costS);
      view.run(60);
      assert.ok(Math.abs(view.errorS) <= HOLD_UNDER_S + 1e-9, `${startS} with ${costS} ended at ${view.errorS}`);
      const { changes } = view;
      view.run(50);
      assert.equal(view.changes, changes, "it goes on being changed");
    }
  }
});

test("the cost of a pulse is learned once for all views", () => {
  const cost = new RateChangeCost();
  new Simulated(new DriftControl(cost), 0.05, 0.025).run(80);
  assert.ok(Math.abs(cost.costS - 0.025) < 0.009, `learnt ${cost.costS}`);
  const second = new Simulated(new DriftControl(cost), 0.05, 0.025);
  second.run(15);
  assert.ok(Math.abs(second.errorS) <= 0.012, `after one pulse ${second.errorS}`);
});

test("a settled view changes its rate by a tenth at most, a joining one by a third", () => {
  const driftControl = new DriftControl(new RateChangeCost());
  const view = new Simulated(driftControl, 0);
  view.run(5);
  view.errorS = 0.2;
  let most = 0;
  for (let n = 0; n < 40; n++) {
    view.tick();
    most = Math.max(most, Math.abs(view.rate - 1));
  }
  assert.ok(most > 0.05 && most <= MAX_RATE_CHANGE + 1e-9);
  const joining = new Simulated(new DriftControl(new RateChangeCost()), -0.2);
  most = 0;
  for (let n = 0; n < 12; n++) {
    joining.tick();
    most = Math.max(most, joining.rate - 1);
  }
  assert.ok(most > MAX_RATE_CHANGE && most <= MAX_RATE_CHANGE_JOINING + 1e-9);
});

test("a view with a large error seeks once", () => {
  const view = new Simulated(new DriftControl(new RateChangeCost()), 0.5);
  view.run(20);
  assert.equal(view.seeks, 1);
});

test("the correction is the same in class time at half and at double rate", () => {
  for (const chosen of [0.25, 0.5, 2]) {
    const view = new Simulated(new DriftControl(new RateChangeCost()), -0.05, 0.01, chosen);
    view.run(80);
    assert.ok(Math.abs(view.errorS) <= HOLD_UNDER_S + 1e-9, `at ${chosen} ended at ${view.errorS}`);
  }
});

test("if the clocks agree and the frame stays late, the target moves ahead until the frame is right", () => {
  const view = new Simulated(new DriftControl(new RateChangeCost()), 0);
  for (let n = 0; n < 60; n++) view.tick(view.errorS < 0.006 ? -FRAME_S : 0);
  assert.ok(view.errorS > 0.006 && view.errorS < 0.02, `led to ${view.errorS}`);
});

test("one late frame does not move the target", () => {
  const view = new Simulated(new DriftControl(new RateChangeCost()), 0);
  for (let n = 0; n < 60; n++) view.tick(n % 7 === 0 ? FRAME_S : 0);
  assert.equal(view.changes, 0);
});
