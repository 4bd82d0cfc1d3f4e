/**
 * Texts in the viewer's language. `gettext` takes the English text and returns its translation.
 *
 * The page carries the catalogue of its language as JSON in the element `messages`: our content security policy allows
 * neither inline scripts nor evaluated code, so Django's JavaScriptCatalog, which ships a function for plurals, does not
 * fit. English pages carry none, because the English texts are the message ids.
 */

type Values = Readonly<Record<string, string | number>>;
type Catalogue = Readonly<Record<string, string | readonly string[]>>;

/** The order in which gettext catalogues number the plural categories of CLDR. */
const PLURAL_CATEGORIES = ["zero", "one", "two", "few", "many", "other"] as const;

let catalogue: Catalogue | null = null;

/** Returns a text in the language of the page; `%(name)s` is replaced by the value of that name. */
export function gettext(text: string, values: Values = {}): string {
  const found = messages()[text];
  return interpolate(typeof found === "string" ? found : (found?.[0] ?? text), values);
}

/** Returns the form of a text for a number, which the text contains as `%(count)s`. */
export function ngettext(singular: string, plural: string, count: number, values: Values = {}): string {
  const forms = messages()[singular];
  const text = Array.isArray(forms) ? forms[pluralIndex(count, forms.length)] : undefined;
  return interpolate(text ?? (count === 1 ? singular : plural), { count, ...values });
}

/** Returns the language of the page as a BCP 47 tag. */
export function language(): string {
  return (typeof document === "undefined" ? "" : document.documentElement.lang) || "en-GB";
}

/** Returns a number as text, with `digits` decimals at most, or exactly. */
export function numberText(value: number, digits: number, exactly = false): string {
  const minimumFractionDigits = exactly ? digits : 0;
  return new Intl.NumberFormat(language(), { minimumFractionDigits, maximumFractionDigits: digits }).format(value);
}

/** Returns a list as text, such as `Left, Centre and Right`. */
export function listText(items: readonly string[]): string {
  return new Intl.ListFormat(language()).format(items);
}

/** Returns which of `count` plural forms of a catalogue belongs to `n`. */
export function pluralIndex(n: number, count: number, locale = language()): number {
  // A catalogue has one form for each category that the language has; a category beyond its forms uses the last one.
  const categories = PLURAL_CATEGORIES.filter((category) =>
    new Intl.PluralRules(locale).resolvedOptions().pluralCategories.includes(category),
  );
  return Math.min(categories.indexOf(new Intl.PluralRules(locale).select(n)), count - 1);
}

function interpolate(text: string, values: Values): string {
  return text.replace(/%\((\w+)\)s/g, (placeholder, name: string) => String(values[name] ?? placeholder));
}

function messages(): Catalogue {
  if (catalogue === null) {
    const element = typeof document === "undefined" ? null : document.getElementById("messages");
    catalogue = element === null ? {} : (JSON.parse(element.textContent ?? "{}") as Catalogue);
  }
  return catalogue;
}
