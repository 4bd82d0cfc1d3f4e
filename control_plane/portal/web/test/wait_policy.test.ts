import assert from "node:assert/strict";
import { test } from "node:test";

import {
  type Attendance,
  aheadS,
  LATE_MEMORY_MS,
  LATE_PATIENCE_MS,
  latecomers,
  PATIENCE_MS,
  patienceMs,
  TROUBLED_PATIENCE_MS,
} from "../src/player/wait_policy.ts";

const HERE: Attendance = { arrived: true, hasMore: true, lateMs: null, troubled: false };
const AWAY: Attendance = { ...HERE, arrived: false };

test("a slow view is waited for, one with a known trouble less, one that was late hardly", () => {
  assert.equal(patienceMs(AWAY, 100_000), PATIENCE_MS);
  assert.equal(patienceMs({ ...AWAY, troubled: true }, 100_000), TROUBLED_PATIENCE_MS);
  assert.equal(patienceMs({ ...AWAY, lateMs: 99_000 }, 100_000), LATE_PATIENCE_MS);
  assert.equal(patienceMs({ ...AWAY, lateMs: 100_000 - LATE_MEMORY_MS }, 100_000), PATIENCE_MS);
});

test("the others go on without a view when their patience ends, and not before", () => {
  assert.deepEqual(latecomers([HERE, AWAY, HERE], PATIENCE_MS - 1, 0), []);
  assert.deepEqual(latecomers([HERE, AWAY, HERE], PATIENCE_MS, 0), [1]);
  assert.deepEqual(latecomers([HERE, { ...AWAY, troubled: true }, AWAY], TROUBLED_PATIENCE_MS, 0), [1]);
});

test("while nobody has a picture, now or later, the class waits", () => {
  assert.deepEqual(latecomers([AWAY, AWAY], 60_000, 0), []);
  assert.deepEqual(latecomers([AWAY], 60_000, 0), []);
  assert.deepEqual(latecomers([{ ...HERE, hasMore: false }, AWAY], 60_000, 0), []);
});

test("a late view is sent ahead further with each try", () => {
  const tries = [0, 1, 2, 3, 4, 50].map(aheadS);
  assert.deepEqual(
    [...tries].sort((a, b) => a - b),
    tries,
  );
  assert.ok((tries[0] ?? 0) > 0 && (tries.at(-1) ?? 99) < 30);
});
