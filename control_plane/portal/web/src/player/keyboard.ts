/** Keyboard shortcuts: a pure map from key presses to commands, and the dialog that lists them. */
import { gettext } from "../i18n.ts";
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

/** Returns each command with its keys, for the dialog. */
function help(): [string, string[]][] {
  const [shift, alt] = [gettext("Shift"), gettext("Alt")];
  return [
    [gettext("Play or pause"), [gettext("Space"), "K"]],
    [gettext("Back or forward 5 seconds"), ["←", "→"]],
    [gettext("Back or forward 10 seconds"), ["J", "L"]],
    [gettext("Back or forward 1 second"), [`${shift} ←`, "→"]],
    [gettext("Previous or next frame"), [",", "."]],
    [gettext("Slower or faster"), ["−", "+"]],
    [gettext("Enlarge a view"), ["1", "2", "3"]],
    [gettext("Show or hide a view"), [`${shift} 1`, "2", "3"]],
    [gettext("Play the audio of a view"), [`${alt} 1`, "2", "3"]],
    [gettext("One large view, or all the same size"), ["E"]],
    [gettext("Mute or unmute"), ["M"]],
    [gettext("Volume down or up"), ["↓", "↑"]],
    [gettext("Next gap"), ["G"]],
    [gettext("Start or end"), [gettext("Home"), gettext("End")]],
    [gettext("Full screen"), ["F"]],
    [gettext("This list"), ["?"]],
  ];
}

const STORED = "threedance.single-keys";

/** Listens for keys on the page. Viewers can turn single-key shortcuts off: speech input triggers them (WCAG 2.1.4). */
export class Keyboard {
  readonly dialog: HTMLDialogElement;
  private isEnabled = localStorage.getItem(STORED) !== "off";

  constructor(private readonly execute: (command: Command) => void) {
    const checkbox = el("input", { type: "checkbox", id: "single-keys" });
    checkbox.checked = this.isEnabled;
    checkbox.addEventListener("change", () => {
      this.isEnabled = checkbox.checked;
      localStorage.setItem(STORED, this.isEnabled ? "on" : "off");
    });
    const close = el("button", { type: "button", class: "icon-button", "aria-label": gettext("Close") }, icon("close"));
    this.dialog = el(
      "dialog",
      { class: "dialog", "aria-labelledby": "dialog-title" },
      el("div", { class: "dialog__head" }, el("h2", { id: "dialog-title" }, gettext("Keyboard shortcuts")), close),
      el(
        "dl",
        { class: "dialog__keys" },
        ...help().map(([what, keys]) =>
          el("div", {}, el("dt", {}, what), el("dd", {}, ...keys.map((key) => el("kbd", {}, key)))),
        ),
      ),
      el(
        "div",
        { class: "dialog__switch" },
        checkbox,
        el("label", { for: "single-keys" }, gettext("Enable single-key shortcuts on this device")),
      ),
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
