import assert from "node:assert/strict";
import { test } from "node:test";

import { ASK_EVERY_MS, Permit } from "../src/player/authorization.ts";
import type { Trouble } from "../src/player/player_error.ts";

Object.assign(globalThis, {
  window: { setInterval: () => 0, clearInterval: () => undefined },
  document: { addEventListener: () => undefined, removeEventListener: () => undefined },
});

function permit(statuses: (number | null)[]): { asked: string[]; told: Trouble[]; it: Permit } {
  const asked: string[] = [];
  const told: Trouble[] = [];
  const ask = (url: string): Promise<number | null> => {
    asked.push(url);
    return Promise.resolve(statuses.length > 0 ? (statuses.shift() as number | null) : 204);
  };
  return { asked, told, it: new Permit("/check", (trouble) => told.push(trouble), ask) };
}

test("it asks again when nothing was heard for a while, and not while answers come", async () => {
  const { asked, told, it } = permit([]);
  it.heard(1000);
  await it.look(1000 + ASK_EVERY_MS - 1);
  assert.equal(asked.length, 0);
  await it.look(1000 + ASK_EVERY_MS);
  assert.deepEqual(asked, ["/check"]);
  await it.look(1000 + ASK_EVERY_MS + 500);
  assert.equal(asked.length, 1);
  assert.equal(told.length, 0);
});

test("a refusal is told once, with the words for it", async () => {
  for (const [status, kind] of [
    [401, "signed-out"],
    [403, "forbidden"],
    [404, "gone"],
  ] as const) {
    const { told, it } = permit([status]);
    await it.look(ASK_EVERY_MS);
    assert.deepEqual(
      told.map((trouble) => trouble.kind),
      [kind],
    );
  }
});

test("no answer, or a server that is busy, is asked again at once and stops nothing", async () => {
  const { asked, told, it } = permit([null, 503, 204]);
  await it.look(ASK_EVERY_MS);
  await it.look(ASK_EVERY_MS + 500);
  await it.look(ASK_EVERY_MS + 1000);
  assert.equal(asked.length, 3);
  assert.equal(told.length, 0);
  await it.look(ASK_EVERY_MS + 1500);
  assert.equal(asked.length, 3);
});

test("a refused piece of the class is no refusal of the class: that is asked for at once", async () => {
  const { asked, told, it } = permit([204, null, 503, 403]);
  it.heard(1000);
  assert.ok(await it.isAllowed(1001));
  assert.ok(await it.isAllowed(1002), "no answer is no refusal");
  assert.ok(await it.isAllowed(1003));
  assert.equal(told.length, 0);
  assert.ok(!(await it.isAllowed(1004)));
  assert.deepEqual(
    told.map((trouble) => trouble.kind),
    ["forbidden"],
  );
  assert.equal(asked.length, 4);
});
