/** The controls under the seek bar: they show the state and send commands. */
import { gettext } from "../i18n.ts";
import { el, icon, setIcon } from "./dom.ts";
import { clockText, hundredths, wallText } from "./format.ts";
import type { Command } from "./keyboard.ts";
import type { Arrangement } from "./stage.ts";
import { RATES, type State } from "./sync_group.ts";
import type { ClassTimeline } from "./timeline.ts";

export interface ControlsEvents {
  execute(command: Command): void;
  rate(rate: number): void;
  listen(trackId: string | null): void;
  volume(volume: number): void;
}

export class Controls {
  readonly root: HTMLElement;
  private readonly play: HTMLButtonElement;
  private readonly now: HTMLElement;
  private readonly wall: HTMLElement;
  private readonly views: readonly HTMLButtonElement[];
  private readonly shape: HTMLButtonElement;
  private readonly rate: HTMLSelectElement;
  private readonly mute: HTMLButtonElement;
  private readonly volume: HTMLInputElement;
  private readonly sound: HTMLSelectElement;
  private readonly full: HTMLButtonElement;
  private shownTime = "";

  constructor(
    private readonly timeline: ClassTimeline,
    private readonly firstS: number,
    private readonly lastS: number,
    events: ControlsEvents,
  ) {
    const button = (name: Parameters<typeof icon>[0], label: string, command: Command, extra = ""): HTMLButtonElement =>
      el(
        "button",
        {
          type: "button",
          class: `icon-button ${extra}`,
          "aria-label": label,
          title: label,
          click: () => events.execute(command),
        },
        icon(name),
      );
    this.play = button("play", gettext("Play"), { type: "toggle" }, "icon-button--play");
    this.now = el("span", { class: "controls__now" });
    this.wall = el("span", { class: "controls__wall" });
    this.views = timeline.tracks.map((track, index) =>
      el(
        "button",
        {
          type: "button",
          class: "views__view",
          "data-position": track.position,
          "aria-pressed": "true",
          title: gettext("Show or hide %(camera)s (Shift %(digit)s)", { camera: track.name, digit: index + 1 }),
          click: () => events.execute({ type: "show", index }),
        },
        el("i", { class: "swatch" }),
        track.name,
      ),
    );
    this.shape = el(
      "button",
      { type: "button", class: "views__view views__view--shape", click: () => events.execute({ type: "shape" }) },
      icon("row"),
    );
    this.rate = el("select", { "aria-label": gettext("Speed"), title: gettext("Speed") });
    for (const rate of RATES) this.rate.append(el("option", { value: rate, selected: rate === 1 }, `${rate}×`));
    this.rate.addEventListener("change", () => events.rate(Number(this.rate.value)));
    this.mute = button("sound", gettext("Mute"), { type: "mute" });
    this.volume = el("input", {
      type: "range",
      class: "volume",
      min: 0,
      max: 1,
      step: 0.05,
      "aria-label": gettext("Volume"),
    });
    this.volume.addEventListener("input", () => events.volume(Number(this.volume.value)));
    this.sound = el("select", { "aria-label": gettext("Sound from"), title: gettext("Sound from") });
    const noteAnswer = timeline.tracks.filter((track) => track.audio);
    for (const track of noteAnswer) this.sound.append(el("option", { value: track.id }, track.name));
    this.sound.addEventListener("change", () => events.listen(this.sound.value));
    this.full = button("full", gettext("Full screen"), { type: "fullscreen" });
    const silent = noteAnswer.length === 0;
    this.root = el(
      "div",
      { class: "controls", role: "toolbar", "aria-label": gettext("Player controls") },
      el(
        "div",
        { class: "controls__group controls__group--main" },
        this.play,
        button("back", gettext("Previous frame"), { type: "step", frames: -1 }),
        button("forward", gettext("Next frame"), { type: "step", frames: 1 }),
        el("div", { class: "controls__time" }, this.now, this.wall),
      ),
      el(
        "div",
        { class: "controls__group controls__group--views" },
        el(
          "div",
          { class: "views", role: "group", "aria-label": gettext("Views") },
          ...this.views,
          el("span", { class: "views__sep" }),
          this.shape,
        ),
      ),
      el(
        "div",
        { class: "controls__group controls__group--end" },
        silent ? el("span", { class: "muted" }, gettext("No sound recorded")) : this.mute,
        silent ? null : this.volume,
        noteAnswer.length > 1 ? el("label", { class: "picker" }, this.sound) : null,
        el("label", { class: "picker" }, this.rate),
        button("keys", gettext("Keyboard shortcuts"), { type: "help" }),
        this.full,
      ),
    );
  }

  showState(state: State, wantsToPlay: boolean): void {
    const [name, label] = wantsToPlay
      ? (["pause", gettext("Pause")] as const)
      : state === "ended"
        ? (["again", gettext("Play again")] as const)
        : (["play", gettext("Play")] as const);
    setIcon(this.play, name);
    this.play.setAttribute("aria-label", label);
    this.play.title = label;
  }

  showTime(classS: number, exact: boolean): void {
    const atS = classS - this.firstS;
    const text = `${clockText(atS)}${exact ? hundredths(atS) : ""}`;
    if (text === this.shownTime) return;
    this.shownTime = text;
    this.now.replaceChildren(text, el("small", {}, ` / ${clockText(this.lastS - this.firstS)}`));
    this.wall.textContent = wallText(this.timeline.startAtMs, classS, this.timeline.timeZone);
  }

  showArrangement(arrangement: Arrangement): void {
    this.timeline.tracks.forEach((track, index) => {
      this.views[index]?.setAttribute("aria-pressed", String(arrangement.shown.includes(track.id)));
    });
    const next = arrangement.shape === "lead" ? "row" : "lead";
    const label = next === "row" ? gettext("Same size for all views") : gettext("Enlarge one view");
    setIcon(this.shape, next);
    this.shape.setAttribute("aria-label", label);
    this.shape.title = `${label} (E)`;
    this.shape.disabled = arrangement.shown.length < 2;
  }

  showRate(rate: number): void {
    this.rate.value = String(rate);
  }

  showSound(trackId: string | null, muted: boolean, volume: number): void {
    const silent = muted || volume === 0;
    setIcon(this.mute, silent ? "silent" : "sound");
    const label = silent ? gettext("Unmute") : gettext("Mute");
    this.mute.setAttribute("aria-label", label);
    this.mute.title = label;
    this.volume.value = String(silent ? 0 : volume);
    if (trackId !== null) this.sound.value = trackId;
  }

  showFullscreen(on: boolean): void {
    setIcon(this.full, on ? "unfull" : "full");
    this.full.setAttribute("aria-label", on ? gettext("Exit full screen") : gettext("Full screen"));
  }
}
