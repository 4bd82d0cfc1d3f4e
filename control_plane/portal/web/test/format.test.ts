import assert from "node:assert/strict";
import { test } from "node:test";

import { datedText } from "../src/player/format.ts";

test("how a camera is dated names the clock that its bound is against", () => {
  assert.equal(datedText("rtcp_sr", 0.42), "Dated by the camera's own clock, within 0.4 ms of it");
  assert.equal(datedText("arrival", 57.6), "Dated by time of arrival, within 58 ms of the server's clock");
  assert.equal(datedText("arrival", 1740), "Dated by time of arrival, within 1.7 s of the server's clock");
  assert.equal(datedText("arrival", 100_000), "Dated by time of arrival, within 1 min 40 s of the server's clock");
});

test("a bound that stands for not known is no figure", () => {
  assert.equal(datedText("arrival", 1_800_000), "Dated before the agent knew the time");
});
