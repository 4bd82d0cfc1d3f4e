import assert from "node:assert/strict";
import { test } from "node:test";

import { clockMethodText } from "../src/player/format.ts";

test("the text of a clock method names the clock that its bound refers to", () => {
  assert.equal(clockMethodText("rtcp_sr", 0.42), "Timestamped by the camera's clock, within 0.4 ms of it");
  assert.equal(clockMethodText("arrival", 57.6), "Timestamped on arrival, within 58 ms of the server's clock");
  assert.equal(clockMethodText("arrival", 1740), "Timestamped on arrival, within 1.7 s of the server's clock");
  assert.equal(clockMethodText("arrival", 100_000), "Timestamped on arrival, within 1 min 40 s of the server's clock");
});

test("an unknown bound is not shown as a number", () => {
  assert.equal(clockMethodText("arrival", 1_800_000), "Timestamped before the agent knew the time");
});
