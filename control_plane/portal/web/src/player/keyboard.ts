/** The keys of the player: a pure map from a key press to a wish, and the sheet that explains them. */
import { el, icon } from "./dom.ts";

export type Wish =
  | { readonly do: "toggle" | "fullscreen" | "mute" | "help" | "shape" | "start" | "end" | "next-gap" }
  | { readonly do: "skip"; readonly seconds: number }
  | { readonly do: "step"; readonly frames: number }
  | { readonly do: "rate"; readonly steps: number }
  | { readonly do: "volume"; readonly by: number }
  | { readonly do: "lead" | "show" | "listen"; readonly index: number };

export interface Press {
  readonly key: string;
  readonly code: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
}

const PLAIN: Record<string, Wish> = {
  " ": { do: "toggle" },
  k: { do: "toggle" },
  j: { do: "skip", seconds: -10 },
  l: { do: "skip", seconds: 10 },
  ArrowLeft: { do: "skip", seconds: -5 },
  ArrowRight: { do: "skip", seconds: 5 },
  ArrowUp: { do: "volume", by: 0.1 },
  ArrowDown: { do: "volume", by: -0.1 },
  ",": { do: "step", frames: -1 },
  ".": { do: "step", frames: 1 },
  "-": { do: "rate", steps: -1 },
  "+": { do: "rate", steps: 1 },
  "=": { do: "rate", steps: 1 },
  "<": { do: "rate", steps: -1 },
  ">": { do: "rate", steps: 1 },
  m: { do: "mute" },
  f: { do: "fullscreen" },
  e: { do: "shape" },
  g: { do: "next-gap" },
  "?": { do: "help" },
  Home: { do: "start" },
  End: { do: "end" },
};

/** Returns what a key press asks for, or null. Digits: 1 to 9 large, with shift shown or hidden, with alt heard. */
export function wishOf(press: Press): Wish | null {
  if (press.ctrlKey || press.metaKey) return null;
  const digit = /^Digit([1-9])$/.exec(press.code);
  if (digit !== null) {
    const index = Number(digit[1]) - 1;
    if (press.altKey) return { do: "listen", index };
    return { do: press.shiftKey ? "show" : "lead", index };
  }
  if (press.altKey) return null;
  if (press.shiftKey && press.key === "ArrowLeft") return { do: "skip", seconds: -1 };
  if (press.shiftKey && press.key === "ArrowRight") return { do: "skip", seconds: 1 };
  return PLAIN[press.key.length === 1 ? press.key.toLowerCase() : press.key] ?? null;
}

const EXPLAINED: readonly [string, readonly string[]][] = [
  ["Play or pause", ["Space", "K"]],
  ["Five seconds back, on", ["←", "→"]],
  ["Ten seconds back, on", ["J", "L"]],
  ["One second back, on", ["Shift ←", "→"]],
  ["One picture back, on", [",", "."]],
  ["Slower, faster", ["−", "+"]],
  ["Make a view large", ["1", "2", "3"]],
  ["Show or hide a view", ["Shift 1", "2", "3"]],
  ["Hear a view", ["Alt 1", "2", "3"]],
  ["One large, or all equal", ["E"]],
  ["Sound on or off", ["M"]],
  ["Quieter, louder", ["↓", "↑"]],
  ["Next missing stretch", ["G"]],
  ["Start, end", ["Home", "End"]],
  ["Full screen", ["F"]],
  ["This list", ["?"]],
];

const STORED = "threedance.single-keys";

/** Listens for keys on the page and asks; a viewer may switch single keys off (they get in the way of speech input). */
export class Keyboard {
  readonly sheet: HTMLDialogElement;
  private on = localStorage.getItem(STORED) !== "off";

  constructor(private readonly ask: (wish: Wish) => void) {
    const box = el("input", { type: "checkbox", id: "single-keys" });
    box.checked = this.on;
    box.addEventListener("change", () => {
      this.on = box.checked;
      localStorage.setItem(STORED, this.on ? "on" : "off");
    });
    const close = el("button", { type: "button", class: "key", "aria-label": "Close" }, icon("close"));
    this.sheet = el(
      "dialog",
      { class: "sheet", "aria-labelledby": "sheet-title" },
      el("div", { class: "sheet__head" }, el("h2", { id: "sheet-title" }, "Keys"), close),
      el(
        "dl",
        { class: "sheet__keys" },
        ...EXPLAINED.map(([what, keys]) =>
          el("div", {}, el("dt", {}, what), el("dd", {}, ...keys.map((key) => el("kbd", {}, key)))),
        ),
      ),
      el("div", { class: "sheet__switch" }, box, el("label", { for: "single-keys" }, "Use these keys on this device")),
    );
    close.addEventListener("click", () => this.sheet.close());
    this.sheet.addEventListener("click", (event) => {
      if (event.target === this.sheet) this.sheet.close();
    });
    document.addEventListener("keydown", (event) => this.onKey(event));
  }

  open(): void {
    if (!this.sheet.open) this.sheet.showModal();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || this.sheet.open) return;
    const element = event.target instanceof Element ? event.target : null;
    // The focus stays in the sheet for a moment after it has closed: what is pressed then is meant for the player.
    const target = element?.closest("dialog:not([open])") ? null : element;
    if (target?.closest("input, select, textarea, [contenteditable], dialog, [role=menu]")) return;
    const wish = wishOf(event);
    if (wish === null || (!this.on && wish.do !== "help")) return;
    const onButton = target?.closest("button, a, summary");
    if (onButton && (event.key === " " || event.key === "Enter")) return;
    event.preventDefault();
    this.ask(wish);
  }
}
