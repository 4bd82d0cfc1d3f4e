/** The desk: buttons and pickers under the score. It shows what is, and asks for what is wished. */
import { el, icon, setIcon } from "./dom.ts";
import { clockText, hundredths, wallText } from "./format.ts";
import type { Wish } from "./keyboard.ts";
import type { Arrangement } from "./stage.ts";
import { RATES, type State } from "./sync_group.ts";
import type { ClassTimeline } from "./timeline.ts";

export interface DeskEvents {
  ask(wish: Wish): void;
  rate(rate: number): void;
  listen(trackId: string | null): void;
  volume(volume: number): void;
}

export class Desk {
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
  private said = "";

  constructor(
    private readonly timeline: ClassTimeline,
    private readonly firstS: number,
    private readonly lastS: number,
    events: DeskEvents,
  ) {
    const button = (name: Parameters<typeof icon>[0], label: string, wish: Wish, extra = ""): HTMLButtonElement =>
      el(
        "button",
        { type: "button", class: `key ${extra}`, "aria-label": label, title: label, click: () => events.ask(wish) },
        icon(name),
      );
    this.play = button("play", "Play", { do: "toggle" }, "key--play");
    this.now = el("span", { class: "desk__now" });
    this.wall = el("span", { class: "desk__wall" });
    this.views = timeline.tracks.map((track, index) =>
      el(
        "button",
        {
          type: "button",
          class: "views__view",
          "data-position": track.position,
          "aria-pressed": "true",
          title: `Show or hide ${track.name} (Shift ${index + 1})`,
          click: () => events.ask({ do: "show", index }),
        },
        el("i", { class: "gel" }),
        track.name,
      ),
    );
    this.shape = el(
      "button",
      { type: "button", class: "views__view views__view--shape", click: () => events.ask({ do: "shape" }) },
      icon("row"),
    );
    this.rate = el("select", { "aria-label": "Speed", title: "Speed" });
    for (const rate of RATES) this.rate.append(el("option", { value: rate, selected: rate === 1 }, `${rate}×`));
    this.rate.addEventListener("change", () => events.rate(Number(this.rate.value)));
    this.mute = button("sound", "Sound off", { do: "mute" });
    this.volume = el("input", { type: "range", class: "volume", min: 0, max: 1, step: 0.05, "aria-label": "Volume" });
    this.volume.addEventListener("input", () => events.volume(Number(this.volume.value)));
    this.sound = el("select", { "aria-label": "Sound from", title: "Sound from" });
    const heard = timeline.tracks.filter((track) => track.audio);
    for (const track of heard) this.sound.append(el("option", { value: track.id }, track.name));
    this.sound.addEventListener("change", () => events.listen(this.sound.value));
    this.full = button("full", "Full screen", { do: "fullscreen" });
    const silent = heard.length === 0;
    this.root = el(
      "div",
      { class: "desk", role: "toolbar", "aria-label": "Replay" },
      el(
        "div",
        { class: "desk__group desk__group--main" },
        this.play,
        button("back", "One picture back", { do: "step", frames: -1 }),
        button("forward", "One picture on", { do: "step", frames: 1 }),
        el("div", { class: "desk__time" }, this.now, this.wall),
      ),
      el(
        "div",
        { class: "desk__group desk__group--views" },
        el(
          "div",
          { class: "views", role: "group", "aria-label": "Views" },
          ...this.views,
          el("span", { class: "views__sep" }),
          this.shape,
        ),
      ),
      el(
        "div",
        { class: "desk__group desk__group--end" },
        silent ? el("span", { class: "note__calm" }, "No sound recorded") : this.mute,
        silent ? null : this.volume,
        heard.length > 1 ? el("label", { class: "pick" }, this.sound) : null,
        el("label", { class: "pick" }, this.rate),
        button("keys", "Keys", { do: "help" }),
        this.full,
      ),
    );
  }

  showState(state: State, wishesToPlay: boolean): void {
    const [name, label] = wishesToPlay
      ? (["pause", "Pause"] as const)
      : state === "ended"
        ? (["again", "Play again"] as const)
        : (["play", "Play"] as const);
    setIcon(this.play, name);
    this.play.setAttribute("aria-label", label);
    this.play.title = label;
  }

  showTime(classS: number, exact: boolean): void {
    const atS = classS - this.firstS;
    const said = `${clockText(atS)}${exact ? hundredths(atS) : ""}`;
    if (said === this.said) return;
    this.said = said;
    this.now.replaceChildren(said, el("small", {}, ` / ${clockText(this.lastS - this.firstS)}`));
    this.wall.textContent = wallText(this.timeline.startAtMs, classS, this.timeline.timeZone);
  }

  showArrangement(arrangement: Arrangement): void {
    this.timeline.tracks.forEach((track, index) => {
      this.views[index]?.setAttribute("aria-pressed", String(arrangement.shown.includes(track.id)));
    });
    const next = arrangement.shape === "lead" ? "row" : "lead";
    const label = next === "row" ? "All views equal" : "One view large";
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
    const label = silent ? "Sound on" : "Sound off";
    this.mute.setAttribute("aria-label", label);
    this.mute.title = label;
    this.volume.value = String(silent ? 0 : volume);
    if (trackId !== null) this.sound.value = trackId;
  }

  showFullscreen(on: boolean): void {
    setIcon(this.full, on ? "unfull" : "full");
    this.full.setAttribute("aria-label", on ? "Leave full screen" : "Full screen");
  }
}
