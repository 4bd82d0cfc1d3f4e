import assert from "node:assert/strict";
import { test } from "node:test";

import {
  FAILING_WAIT_LIMIT_MS,
  LATE_MEMORY_MS,
  LATE_WAIT_LIMIT_MS,
  overdueViews,
  preloadAheadS,
  type ViewStatus,
  WAIT_LIMIT_MS,
  waitLimitMs,
} from "../src/player/wait_policy.ts";

const HERE: ViewStatus = { isReady: true, hasPictureLater: true, lateMs: null, isFailing: false };
const AWAY: ViewStatus = { ...HERE, isReady: false };

test("the wait is long for a slow view, shorter with a known error, shortest for one that was late", () => {
  assert.equal(waitLimitMs(AWAY, 100_000), WAIT_LIMIT_MS);
  assert.equal(waitLimitMs({ ...AWAY, isFailing: true }, 100_000), FAILING_WAIT_LIMIT_MS);
  assert.equal(waitLimitMs({ ...AWAY, lateMs: 99_000 }, 100_000), LATE_WAIT_LIMIT_MS);
  assert.equal(waitLimitMs({ ...AWAY, lateMs: 100_000 - LATE_MEMORY_MS }, 100_000), WAIT_LIMIT_MS);
});

test("the others continue without a view when its wait limit is reached, and not before", () => {
  assert.deepEqual(overdueViews([HERE, AWAY, HERE], WAIT_LIMIT_MS - 1, 0), []);
  assert.deepEqual(overdueViews([HERE, AWAY, HERE], WAIT_LIMIT_MS, 0), [1]);
  assert.deepEqual(overdueViews([HERE, { ...AWAY, isFailing: true }, AWAY], FAILING_WAIT_LIMIT_MS, 0), [1]);
});

test("while no view has a picture now or later, the class waits", () => {
  assert.deepEqual(overdueViews([AWAY, AWAY], 60_000, 0), []);
  assert.deepEqual(overdueViews([AWAY], 60_000, 0), []);
  assert.deepEqual(overdueViews([{ ...HERE, hasPictureLater: false }, AWAY], 60_000, 0), []);
});

test("a late view loads further ahead with each attempt", () => {
  const tries = [0, 1, 2, 3, 4, 50].map(preloadAheadS);
  assert.deepEqual(
    [...tries].sort((a, b) => a - b),
    tries,
  );
  assert.ok((tries[0] ?? 0) > 0 && (tries.at(-1) ?? 99) < 30);
});
