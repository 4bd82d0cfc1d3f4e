/** Keyboard shortcuts: a pure map from key presses to commands, and the dialog that lists them. */
import { el, icon } from "./dom.ts";

export type Command =
  | { readonly type: "toggle" | "fullscreen" | "mute" | "help" | "shape" | "start" | "end" | "next-gap" }
  | { readonly type: "skip"; readonly seconds: number }
  | { readonly type: "step"; readonly frames: number }
  | { readonly type: "rate"; readonly steps: number }
  | { readonly type: "volume"; readonly by: number }
  | { readonly type: "lead" | "show" | "listen"; readonly index: number };

export interface KeyPress {
  readonly key: string;
  readonly code: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
}

const SHORTCUTS: Record<string, Command> = {
  " ": { type: "toggle" },
  k: { type: "toggle" },
  j: { type: "skip", seconds: -10 },
  l: { type: "skip", seconds: 10 },
  ArrowLeft: { type: "skip", seconds: -5 },
  ArrowRight: { type: "skip", seconds: 5 },
  ArrowUp: { type: "volume", by: 0.1 },
  ArrowDown: { type: "volume", by: -0.1 },
  ",": { type: "step", frames: -1 },
  ".": { type: "step", frames: 1 },
  "-": { type: "rate", steps: -1 },
  "+": { type: "rate", steps: 1 },
  "=": { type: "rate", steps: 1 },
  "<": { type: "rate", steps: -1 },
  ">": { type: "rate", steps: 1 },
  m: { type: "mute" },
  f: { type: "fullscreen" },
  e: { type: "shape" },
  g: { type: "next-gap" },
  "?": { type: "help" },
  Home: { type: "start" },
  End: { type: "end" },
};

/** Returns the command of a key press, or null. A digit makes a view large; Shift: shows or hides it; Alt: plays its audio. */
export function commandFor(keyPress: KeyPress): Command | null {
  if (keyPress.ctrlKey || keyPress.metaKey) return null;
  const digit = /^Digit([1-9])$/.exec(keyPress.code);
  if (digit !== null) {
    const index = Number(digit[1]) - 1;
    if (keyPress.altKey) return { type: "listen", index };
    return { type: keyPress.shiftKey ? "show" : "lead", index };
  }
  if (keyPress.altKey) return null;
  if (keyPress.shiftKey && keyPress.key === "ArrowLeft") return { type: "skip", seconds: -1 };
  if (keyPress.shiftKey && keyPress.key === "ArrowRight") return { type: "skip", seconds: 1 };
  return SHORTCUTS[keyPress.key.length === 1 ? keyPress.key.toLowerCase() : keyPress.key] ?? null;
}

const HELP: readonly [string, readonly string[]][] = [
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

/** Listens for keys on the page. Viewers can turn single-key shortcuts off: speech input triggers them (WCAG 2.1.4). */
export class Keyboard {
  readonly dialog: HTMLDialogElement;
  private isEnabled = localStorage.getItem(STORED) !== "off";

  constructor(private readonly execute: (command: Command) => void) {
    const box = el("input", { type: "checkbox", id: "single-keys" });
    box.checked = this.isEnabled;
    box.addEventListener("change", () => {
      this.isEnabled = box.checked;
      localStorage.setItem(STORED, this.isEnabled ? "on" : "off");
    });
    const close = el("button", { type: "button", class: "icon-button", "aria-label": "Close" }, icon("close"));
    this.dialog = el(
      "dialog",
      { class: "dialog", "aria-labelledby": "dialog-title" },
      el("div", { class: "dialog__head" }, el("h2", { id: "dialog-title" }, "Keys"), close),
      el(
        "dl",
        { class: "dialog__keys" },
        ...HELP.map(([what, keys]) =>
          el("div", {}, el("dt", {}, what), el("dd", {}, ...keys.map((key) => el("kbd", {}, key)))),
        ),
      ),
      el("div", { class: "dialog__switch" }, box, el("label", { for: "single-keys" }, "Use these keys on this device")),
    );
    close.addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    document.addEventListener("keydown", (event) => this.onKey(event));
  }

  open(): void {
    if (!this.dialog.open) this.dialog.showModal();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || this.dialog.open) return;
    const element = event.target instanceof Element ? event.target : null;
    // The focus stays in the dialog for a moment after it closes: keys pressed then are meant for the player.
    const target = element?.closest("dialog:not([open])") ? null : element;
    if (target?.closest("input, select, textarea, [contenteditable], dialog, [role=menu]")) return;
    const command = commandFor(event);
    if (command === null || (!this.isEnabled && command.type !== "help")) return;
    const onButton = target?.closest("button, a, summary");
    if (onButton && (event.key === " " || event.key === "Enter")) return;
    event.preventDefault();
    this.execute(command);
  }
}
