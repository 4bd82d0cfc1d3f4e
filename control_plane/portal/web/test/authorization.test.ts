import assert from "node:assert/strict";
import { test } from "node:test";

import { AuthorizationCheck, CHECK_INTERVAL_MS } from "../src/player/authorization.ts";
import type { PlayerError } from "../src/player/player_error.ts";

Object.assign(globalThis, {
  window: { setInterval: () => 0, clearInterval: () => undefined },
  document: {
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
    documentElement: { lang: "en" },
    getElementById: () => null,
  },
});

function authorization(statuses: (number | null)[]): { asked: string[]; told: PlayerError[]; it: AuthorizationCheck } {
  const asked: string[] = [];
  const told: PlayerError[] = [];
  const ask = (url: string): Promise<number | null> => {
    asked.push(url);
    return Promise.resolve(statuses.length > 0 ? (statuses.shift() as number | null) : 204);
  };
  return { asked, told, it: new AuthorizationCheck("/check", (playerError) => told.push(playerError), ask) };
}

test("it checks after an interval without answers, and not while requests are answered", async () => {
  const { asked, told, it } = authorization([]);
  it.noteAnswer(1000);
  await it.checkIfDue(1000 + CHECK_INTERVAL_MS - 1);
  assert.equal(asked.length, 0);
  await it.checkIfDue(1000 + CHECK_INTERVAL_MS);
  assert.deepEqual(asked, ["/check"]);
  await it.checkIfDue(1000 + CHECK_INTERVAL_MS + 500);
  assert.equal(asked.length, 1);
  assert.equal(told.length, 0);
});

test("a refusal is reported once, with its error", async () => {
  for (const [status, kind] of [
    [401, "signed-out"],
    [403, "forbidden"],
    [404, "gone"],
  ] as const) {
    const { told, it } = authorization([status]);
    await it.checkIfDue(CHECK_INTERVAL_MS);
    assert.deepEqual(
      told.map((playerError) => playerError.kind),
      [kind],
    );
  }
});

test("no answer or a busy server is checked again at once and stops nothing", async () => {
  const { asked, told, it } = authorization([null, 503, 204]);
  await it.checkIfDue(CHECK_INTERVAL_MS);
  await it.checkIfDue(CHECK_INTERVAL_MS + 500);
  await it.checkIfDue(CHECK_INTERVAL_MS + 1000);
  assert.equal(asked.length, 3);
  assert.equal(told.length, 0);
  await it.checkIfDue(CHECK_INTERVAL_MS + 1500);
  assert.equal(asked.length, 3);
});

test("a refused fragment does not stop playback: the class is checked at once", async () => {
  const { asked, told, it } = authorization([204, null, 503, 403]);
  it.noteAnswer(1000);
  assert.ok(await it.check(1001));
  assert.ok(await it.check(1002), "no answer is no refusal");
  assert.ok(await it.check(1003));
  assert.equal(told.length, 0);
  assert.ok(!(await it.check(1004)));
  assert.deepEqual(
    told.map((playerError) => playerError.kind),
    ["forbidden"],
  );
  assert.equal(asked.length, 4);
});
