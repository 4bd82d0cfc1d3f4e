/** The seek bar, and below it one lane per camera that shows what was recorded and what is missing. */
import { gettext, listText } from "../i18n.ts";
import { el } from "./dom.ts";
import { clockText, lengthText, spokenTime, wallText } from "./format.ts";
import { type ClassTimeline, clamp, type Gap, missingOf, type Track } from "./timeline.ts";

export interface SeekBarEvents {
  seek(classS: number): void;
  /** The viewer starts (true) or stops dragging the bar. */
  hold(isHeld: boolean): void;
}

export class SeekBar {
  readonly root: HTMLElement;
  readonly bar: HTMLElement;
  private readonly played: HTMLElement;
  private readonly thumb: HTMLElement;
  private readonly playhead: HTMLElement;
  private readonly bubble: HTMLElement;
  private readonly rail: HTMLElement;
  private readonly strips = new Map<string, HTMLElement>();
  private nowS = 0;
  private spokenS = -1;

  constructor(
    private timeline: ClassTimeline,
    private readonly firstS: number,
    private readonly lastS: number,
    private readonly events: SeekBarEvents,
  ) {
    this.played = el("div", { class: "seek-bar__played" });
    this.thumb = el("div", { class: "seek-bar__thumb" });
    this.bubble = el("div", { class: "seek-bar__bubble", "aria-hidden": "true" });
    this.rail = el("div", { class: "seek-bar__rail" }, this.played);
    for (const { blanks } of timeline.tracks) for (const blank of blanks) this.markRail(blank);
    this.bar = el(
      "div",
      {
        class: "seek-bar__bar",
        role: "slider",
        tabindex: 0,
        "aria-label": gettext("Time in the class"),
        "aria-valuemin": 0,
        "aria-valuemax": Math.round(lastS - firstS),
      },
      this.rail,
      this.thumb,
      this.bubble,
    );
    this.playhead = el("i");
    const lanes = timeline.tracks.map((track) => this.lane(track));
    this.root = el(
      "section",
      { class: "seek-bar", "aria-label": gettext("Timeline") },
      this.bar,
      el(
        "div",
        { class: "lanes" },
        ...lanes,
        el("div", { class: "lanes__playhead", "aria-hidden": "true" }, this.playhead),
      ),
    );
    this.listen();
    this.show(firstS);
  }

  /** Moves the bar and the needle to `classS`. */
  show(classS: number): void {
    this.nowS = classS;
    const fraction = this.fraction(classS);
    this.played.style.transform = `scaleX(${fraction.toFixed(5)})`;
    this.thumb.style.left = `${(fraction * 100).toFixed(3)}%`;
    this.playhead.style.transform = `translateX(${(fraction * 100).toFixed(3)}%)`;
    const wholeS = Math.round(classS - this.firstS);
    if (wholeS === this.spokenS) return;
    this.spokenS = wholeS;
    this.bar.setAttribute("aria-valuenow", String(wholeS));
    this.bar.setAttribute("aria-valuetext", this.spoken(classS));
  }

  /** Marks a stretch of a track that cannot be played; `timeline` is the class with that gap. */
  add(timeline: ClassTimeline, track: Track, gap: Gap): void {
    this.timeline = timeline;
    this.markRail(gap);
    this.strips.get(track.id)?.append(this.gapMark(track, gap));
  }

  private spoken(classS: number): string {
    const values = { time: spokenTime(classS - this.firstS), length: spokenTime(this.lastS - this.firstS) };
    const blankTracks = this.timeline.tracks.filter((track) =>
      missingOf(track).some((gap) => gap.fromS <= classS && classS < gap.toS),
    );
    return blankTracks.length === 0
      ? gettext("%(time)s of %(length)s", values)
      : gettext("%(time)s of %(length)s; no picture from %(cameras)s", {
          ...values,
          cameras: listText(blankTracks.map((track) => track.name)),
        });
  }

  /** Returns where `classS` lies on the bar, 0 to 1. */
  private fraction(classS: number): number {
    return clamp((classS - this.firstS) / Math.max(0.001, this.lastS - this.firstS), 0, 1);
  }

  private lane(track: Track): HTMLElement {
    const strip = el("div", { class: "lane__track" });
    this.strips.set(track.id, strip);
    for (const [fromS, toS] of recordedStretches(track)) {
      strip.append(this.position(el("div", { class: "lane__recorded" }), fromS, toS));
    }
    for (const gap of missingOf(track)) {
      if (gap.toS <= this.firstS || gap.fromS >= this.lastS) continue;
      strip.append(this.gapMark(track, gap));
    }
    return el(
      "div",
      {
        class: "lane",
        "data-position": track.position,
        role: "group",
        "aria-label": gettext("%(camera)s camera", { camera: track.name }),
      },
      el("div", { class: "lane__name" }, el("i", { class: "swatch" }), el("span", {}, track.name)),
      strip,
    );
  }

  private gapMark(track: Track, gap: Gap): HTMLElement {
    const text = gapText(track, gap, this.timeline);
    const mark = el(
      "button",
      {
        type: "button",
        class: "lane__gap",
        "aria-label": gettext("%(gap)s. Go to this gap.", { gap: text }),
        click: () => this.events.seek(Math.max(this.firstS, gap.fromS - 1)),
      },
      el("span", { class: "lane__tip", "aria-hidden": "true" }, text),
    );
    const middle = this.fraction((gap.fromS + gap.toS) / 2);
    if (middle < 0.4) mark.dataset["edge"] = "start";
    if (middle > 0.6) mark.dataset["edge"] = "end";
    return this.position(mark, gap.fromS, gap.toS);
  }

  /** Hatches a stretch in which at least one camera has no picture. */
  private markRail(gap: Gap): void {
    if (gap.toS <= this.firstS || gap.fromS >= this.lastS) return;
    this.rail.append(this.position(el("div", { class: "seek-bar__gap" }), gap.fromS, gap.toS));
  }

  private position<T extends HTMLElement>(element: T, fromS: number, toS: number): T {
    const from = this.fraction(fromS);
    element.style.left = `${(from * 100).toFixed(3)}%`;
    element.style.width = `${((this.fraction(toS) - from) * 100).toFixed(3)}%`;
    return element;
  }

  private listen(): void {
    const at = (event: PointerEvent): number => {
      const bounds = this.bar.getBoundingClientRect();
      const fraction = clamp((event.clientX - bounds.left) / Math.max(1, bounds.width), 0, 1);
      return this.firstS + fraction * (this.lastS - this.firstS);
    };
    const hint = (event: PointerEvent): void => {
      const classS = at(event);
      this.bubble.style.left = `${(this.fraction(classS) * 100).toFixed(3)}%`;
      this.bubble.textContent = `${clockText(classS - this.firstS)} · ${wallText(this.timeline.startAtMs, classS, this.timeline.timeZone)}`;
    };
    this.bar.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.bar.setPointerCapture(event.pointerId);
      this.events.hold(true);
      this.events.seek(at(event));
    });
    this.bar.addEventListener("pointermove", (event) => {
      hint(event);
      if (this.bar.hasPointerCapture(event.pointerId)) this.events.seek(at(event));
    });
    this.bar.addEventListener("lostpointercapture", () => this.events.hold(false));
    this.bar.addEventListener("keydown", (event) => {
      const spanS = this.lastS - this.firstS;
      const targets: Record<string, number> = {
        ArrowRight: this.nowS + (event.shiftKey ? 1 : 5),
        ArrowUp: this.nowS + 5,
        ArrowLeft: this.nowS - (event.shiftKey ? 1 : 5),
        ArrowDown: this.nowS - 5,
        PageUp: this.nowS + spanS / 10,
        PageDown: this.nowS - spanS / 10,
        Home: this.firstS,
        End: this.lastS,
      };
      const target = targets[event.key];
      if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.events.seek(target);
    });
  }
}

/** Returns the stretches with pictures, adjacent ones merged. */
function recordedStretches(track: Track): [number, number][] {
  const joined: [number, number][] = [];
  for (const { classS, durationS } of track.fragments) {
    const last = joined.at(-1);
    if (last !== undefined && classS - last[1] < 0.12) last[1] = Math.max(last[1], classS + durationS);
    else joined.push([classS, classS + durationS]);
  }
  return joined;
}

/** Returns `12:03:01–12:03:20`, in the studio's time zone. */
export function timeRangeText(gap: Gap, timeline: ClassTimeline): string {
  const { startAtMs, timeZone } = timeline;
  return `${wallText(startAtMs, gap.fromS, timeZone)}–${wallText(startAtMs, gap.toS, timeZone)}`;
}

/** Returns `Left camera: no picture 12:03:01–12:03:20 (19 s) · camera offline`. */
export function gapText(track: Track, gap: Gap, timeline: ClassTimeline): string {
  return gettext("%(camera)s camera: no picture %(range)s (%(length)s) · %(reason)s", {
    camera: track.name,
    range: timeRangeText(gap, timeline),
    length: lengthText(gap.toS - gap.fromS),
    reason: gap.label,
  });
}
