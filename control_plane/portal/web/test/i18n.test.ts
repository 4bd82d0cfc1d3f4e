import assert from "node:assert/strict";
import { test } from "node:test";

import { gettext, listText, ngettext, numberText, pluralIndex } from "../src/i18n.ts";

const GERMAN = {
  "%(camera)s camera": "Kamera %(camera)s",
  "%(count)s minute": ["%(count)s Minute", "%(count)s Minuten"],
};

Object.assign(globalThis, {
  document: {
    documentElement: { lang: "de" },
    getElementById: (id: string) => (id === "messages" ? { textContent: JSON.stringify(GERMAN) } : null),
  },
});

test("a text comes from the page's catalogue, and stays as it is without a translation", () => {
  assert.equal(gettext("%(camera)s camera", { camera: "links" }), "Kamera links");
  assert.equal(gettext("Speed %(rate)s", { rate: 2 }), "Speed 2");
  assert.equal(gettext("100 %(unit)s of %(other)s", { unit: "%" }), "100 % of %(other)s");
});

test("a number chooses the plural form of the language", () => {
  assert.equal(ngettext("%(count)s minute", "%(count)s minutes", 1), "1 Minute");
  assert.equal(ngettext("%(count)s minute", "%(count)s minutes", 5), "5 Minuten");
  assert.equal(ngettext("%(count)s hour", "%(count)s hours", 1), "1 hour");
  assert.equal(ngettext("%(count)s hour", "%(count)s hours", 0), "0 hours");
});

test("plural forms are numbered as gettext catalogues number them", () => {
  const forms = (numbers: number[], count: number, locale: string): number[] =>
    numbers.map((n) => pluralIndex(n, count, locale));
  assert.deepEqual(forms([1, 2, 0], 2, "en-GB"), [0, 1, 1]);
  assert.deepEqual(forms([0, 1, 2, 1_000_000], 2, "fr"), [0, 0, 1, 1]);
  assert.deepEqual(forms([1, 2, 5, 22], 3, "pl"), [0, 1, 2, 1]);
  assert.deepEqual(forms([1, 7], 1, "ja"), [0, 0]);
});

test("numbers and lists are written as in the language of the page", () => {
  assert.equal(numberText(1.25, 1), "1,3");
  assert.equal(numberText(2, 1, true), "2,0");
  assert.equal(listText(["A", "B", "C"]), "A, B und C");
});
