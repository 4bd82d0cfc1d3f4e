/** The score under the stage: the seek bar, and one lane per camera with what it recorded and what is missing. */
import { el } from "./dom.ts";
import { clockText, lengthText, spokenTime, wallText } from "./format.ts";
import { type ClassTimeline, clamp, type Gap, missingOf, type Track } from "./timeline.ts";

export interface ScoreEvents {
  seek(classS: number): void;
  /** The viewer takes hold of the bar, or lets go. */
  hold(held: boolean): void;
}

export class Score {
  readonly root: HTMLElement;
  readonly bar: HTMLElement;
  private readonly played: HTMLElement;
  private readonly thumb: HTMLElement;
  private readonly needle: HTMLElement;
  private readonly bubble: HTMLElement;
  private readonly rail: HTMLElement;
  private readonly strips = new Map<string, HTMLElement>();
  private nowS = 0;
  private spokenS = -1;

  constructor(
    private timeline: ClassTimeline,
    private readonly firstS: number,
    private readonly lastS: number,
    private readonly events: ScoreEvents,
  ) {
    this.played = el("div", { class: "score__played" });
    this.thumb = el("div", { class: "score__thumb" });
    this.bubble = el("div", { class: "score__bubble", "aria-hidden": "true" });
    this.rail = el("div", { class: "score__rail" }, this.played);
    for (const { blanks } of timeline.tracks) for (const blank of blanks) this.markRail(blank);
    this.bar = el(
      "div",
      {
        class: "score__bar",
        role: "slider",
        tabindex: 0,
        "aria-label": "Time in the class",
        "aria-valuemin": 0,
        "aria-valuemax": Math.round(lastS - firstS),
      },
      this.rail,
      this.thumb,
      this.bubble,
    );
    this.needle = el("i");
    const lanes = timeline.tracks.map((track) => this.lane(track));
    this.root = el(
      "section",
      { class: "score", "aria-label": "Timeline" },
      this.bar,
      el(
        "div",
        { class: "lanes" },
        ...lanes,
        el("div", { class: "lanes__needle", "aria-hidden": "true" }, this.needle),
      ),
    );
    this.follow();
    this.show(firstS);
  }

  /** Moves the needle to `classS`. */
  show(classS: number): void {
    this.nowS = classS;
    const share = this.share(classS);
    this.played.style.transform = `scaleX(${share.toFixed(5)})`;
    this.thumb.style.left = `${(share * 100).toFixed(3)}%`;
    this.needle.style.transform = `translateX(${(share * 100).toFixed(3)}%)`;
    const wholeS = Math.round(classS - this.firstS);
    if (wholeS === this.spokenS) return;
    this.spokenS = wholeS;
    this.bar.setAttribute("aria-valuenow", String(wholeS));
    this.bar.setAttribute("aria-valuetext", this.spoken(classS));
  }

  /** Marks a stretch of a track that turned out not to play; `timeline` is the class with it. */
  add(timeline: ClassTimeline, track: Track, gap: Gap): void {
    this.timeline = timeline;
    this.markRail(gap);
    this.strips.get(track.id)?.append(this.gapMark(track, gap));
  }

  private spoken(classS: number): string {
    const place = `${spokenTime(classS - this.firstS)} of ${spokenTime(this.lastS - this.firstS)}`;
    const dark = this.timeline.tracks.filter((track) =>
      missingOf(track).some((gap) => gap.fromS <= classS && classS < gap.toS),
    );
    return dark.length === 0 ? place : `${place}; no picture from ${dark.map((track) => track.name).join(" and ")}`;
  }

  private share(classS: number): number {
    return clamp((classS - this.firstS) / Math.max(0.001, this.lastS - this.firstS), 0, 1);
  }

  private lane(track: Track): HTMLElement {
    const strip = el("div", { class: "lane__track" });
    this.strips.set(track.id, strip);
    for (const [fromS, toS] of pieces(track)) {
      strip.append(this.lay(el("div", { class: "lane__piece" }), fromS, toS));
    }
    for (const gap of missingOf(track)) {
      if (gap.toS <= this.firstS || gap.fromS >= this.lastS) continue;
      strip.append(this.gapMark(track, gap));
    }
    return el(
      "div",
      { class: "lane", "data-position": track.position, role: "group", "aria-label": `${track.name} camera` },
      el("div", { class: "lane__name" }, el("i", { class: "gel" }), el("span", {}, track.name)),
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
        "aria-label": `${text}. Go to just before it.`,
        click: () => this.events.seek(Math.max(this.firstS, gap.fromS - 1)),
      },
      el("span", { class: "lane__tip", "aria-hidden": "true" }, text),
    );
    const middle = this.share((gap.fromS + gap.toS) / 2);
    if (middle < 0.12) mark.dataset["edge"] = "start";
    if (middle > 0.88) mark.dataset["edge"] = "end";
    return this.lay(mark, gap.fromS, gap.toS);
  }

  /** Hatches a stretch of the seek bar where at least one camera has no picture. */
  private markRail(gap: Gap): void {
    if (gap.toS <= this.firstS || gap.fromS >= this.lastS) return;
    this.rail.append(this.lay(el("div", { class: "score__hole" }), gap.fromS, gap.toS));
  }

  private lay<T extends HTMLElement>(element: T, fromS: number, toS: number): T {
    const from = this.share(fromS);
    element.style.left = `${(from * 100).toFixed(3)}%`;
    element.style.width = `${((this.share(toS) - from) * 100).toFixed(3)}%`;
    return element;
  }

  private follow(): void {
    const at = (event: PointerEvent): number => {
      const box = this.bar.getBoundingClientRect();
      const share = clamp((event.clientX - box.left) / Math.max(1, box.width), 0, 1);
      return this.firstS + share * (this.lastS - this.firstS);
    };
    const hint = (event: PointerEvent): void => {
      const classS = at(event);
      this.bubble.style.left = `${(this.share(classS) * 100).toFixed(3)}%`;
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

/** Returns the stretches with pictures, neighbours joined. */
function pieces(track: Track): [number, number][] {
  const joined: [number, number][] = [];
  for (const { classS, durationS } of track.fragments) {
    const last = joined.at(-1);
    if (last !== undefined && classS - last[1] < 0.12) last[1] = Math.max(last[1], classS + durationS);
    else joined.push([classS, classS + durationS]);
  }
  return joined;
}

/** Returns `12:03:01–12:03:20`, in the studio's time zone. */
export function betweenText(gap: Gap, timeline: ClassTimeline): string {
  const { startAtMs, timeZone } = timeline;
  return `${wallText(startAtMs, gap.fromS, timeZone)}–${wallText(startAtMs, gap.toS, timeZone)}`;
}

/** Returns `Left camera: no picture 12:03:01–12:03:20 (19 s) · camera offline`. */
export function gapText(track: Track, gap: Gap, timeline: ClassTimeline): string {
  return `${track.name} camera: no picture ${betweenText(gap, timeline)} (${lengthText(gap.toS - gap.fromS)}) · ${gap.label}`;
}
