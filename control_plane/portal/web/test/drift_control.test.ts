import assert from "node:assert/strict";
import { test } from "node:test";

import { Follower, HOLD_UNDER_S, MOST_BEND, MOST_BEND_JOINING, PulseCost } from "../src/player/drift_control.ts";

const FRAME_S = 1 / 30;

/** A view whose clock runs exactly at its rate, but loses `costS` at the start of each bend, as browsers do. */
class Simulated {
  errorS: number;
  rate = 1;
  changes = 0;
  nowMs = 0;
  seeks = 0;

  constructor(
    readonly follower: Follower,
    errorS: number,
    readonly costS = 0,
    readonly chosen = 1,
  ) {
    this.errorS = errorS;
    this.rate = chosen;
  }

  tick(pictureErrorS: number | null = null): void {
    const advice = this.follower.advise(this.nowMs, this.errorS, pictureErrorS, FRAME_S, this.chosen);
    if (Math.abs(advice.rate - this.rate) > 1e-9) {
      this.changes++;
      if (this.rate === this.chosen) this.errorS -= this.costS;
    }
    this.rate = advice.rate;
    if (advice.seek) {
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

test("a view in its place is left alone", () => {
  const view = new Simulated(new Follower(new PulseCost()), HOLD_UNDER_S * 0.9);
  view.run(50);
  assert.equal(view.changes, 0);
});

test("a view that is off comes home and then rests, whatever a change of rate costs", () => {
  for (const costS of [0, 0.025, -0.012]) {
    for (const startS of [-0.2, -0.06, 0.04, 0.25]) {
      const view = new Simulated(new Follower(new PulseCost()), startS, costS);
      view.run(60);
      assert.ok(Math.abs(view.errorS) <= HOLD_UNDER_S + 1e-9, `${startS} with ${costS} ended at ${view.errorS}`);
      const { changes } = view;
      view.run(50);
      assert.equal(view.changes, changes, "it goes on being changed");
    }
  }
});

test("what a pulse costs is learnt once for all views", () => {
  const cost = new PulseCost();
  new Simulated(new Follower(cost), 0.05, 0.025).run(80);
  assert.ok(Math.abs(cost.costS - 0.025) < 0.009, `learnt ${cost.costS}`);
  const second = new Simulated(new Follower(cost), 0.05, 0.025);
  second.run(15);
  assert.ok(Math.abs(second.errorS) <= 0.012, `after one pulse ${second.errorS}`);
});

test("a settled view is bent by a tenth at most, one that joins by a third", () => {
  const follower = new Follower(new PulseCost());
  const view = new Simulated(follower, 0);
  view.run(5);
  view.errorS = 0.2;
  let most = 0;
  for (let n = 0; n < 40; n++) {
    view.tick();
    most = Math.max(most, Math.abs(view.rate - 1));
  }
  assert.ok(most > 0.05 && most <= MOST_BEND + 1e-9);
  const joining = new Simulated(new Follower(new PulseCost()), -0.2);
  most = 0;
  for (let n = 0; n < 12; n++) {
    joining.tick();
    most = Math.max(most, joining.rate - 1);
  }
  assert.ok(most > MOST_BEND && most <= MOST_BEND_JOINING + 1e-9);
});

test("a view that is far off seeks, once", () => {
  const view = new Simulated(new Follower(new PulseCost()), 0.5);
  view.run(20);
  assert.equal(view.seeks, 1);
});

test("the correction is the same in class time at half and at double rate", () => {
  for (const chosen of [0.25, 0.5, 2]) {
    const view = new Simulated(new Follower(new PulseCost()), -0.05, 0.01, chosen);
    view.run(80);
    assert.ok(Math.abs(view.errorS) <= HOLD_UNDER_S + 1e-9, `at ${chosen} ended at ${view.errorS}`);
  }
});

test("where clocks agree and the picture stays a frame late, the clock is led ahead until it is right", () => {
  const view = new Simulated(new Follower(new PulseCost()), 0);
  for (let n = 0; n < 60; n++) view.tick(view.errorS < 0.006 ? -FRAME_S : 0);
  assert.ok(view.errorS > 0.006 && view.errorS < 0.02, `led to ${view.errorS}`);
});

test("one late picture is no reason to touch the clock", () => {
  const view = new Simulated(new Follower(new PulseCost()), 0);
  for (let n = 0; n < 60; n++) view.tick(n % 7 === 0 ? FRAME_S : 0);
  assert.equal(view.changes, 0);
});
