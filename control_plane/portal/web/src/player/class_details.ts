/** The class in words: what is missing, and how exact each camera is. */
import { el } from "./dom.ts";
import { clockText, datedText, lengthText } from "./format.ts";
import { betweenText } from "./seek_bar.ts";
import { type ClassTimeline, type Gap, missingOf, type Track } from "./timeline.ts";

const CODECS: Record<string, string> = { h264: "H.264", h265: "H.265" };

/** Recording begins and ends at a key frame: the lanes show it, but nothing is missing that was meant to be there. */
const EDGES = new Set(["key_frame"]);

/** A stretch of one track, and what is wrong with it. */
export interface Missing {
  readonly track: Track;
  readonly gap: Gap;
}

export class Notes {
  readonly root: HTMLElement;
  private missing: HTMLElement;

  constructor(
    timeline: ClassTimeline,
    private readonly firstS: number,
    private readonly lastS: number,
    private readonly seek: (classS: number) => void,
  ) {
    this.missing = missing(timeline, [], firstS, lastS, seek);
    this.root = el("div", { class: "notes" }, this.missing, cameras(timeline));
  }

  /** Writes anew what is missing, after something turned out not to play. */
  add(timeline: ClassTimeline, silences: readonly Missing[]): void {
    const now = missing(timeline, silences, this.firstS, this.lastS, this.seek);
    // The heading and the section stay: only the list changes under a reader.
    this.missing.lastElementChild?.replaceWith(now.lastElementChild ?? "");
  }
}

function missing(
  timeline: ClassTimeline,
  silences: readonly Missing[],
  firstS: number,
  lastS: number,
  seek: (classS: number) => void,
): HTMLElement {
  const rows = [...timeline.tracks.flatMap((track) => missingOf(track).map((gap) => ({ track, gap }))), ...silences]
    .filter(({ gap }) => gap.toS > gap.fromS && !EDGES.has(gap.reason))
    .sort((a, b) => a.gap.fromS - b.gap.fromS)
    .map(({ track, gap }) =>
      el(
        "li",
        { class: "note__row", "data-position": track.position },
        el("i", { class: "gel" }),
        el("span", {}, `${track.name} · ${lengthText(gap.toS - gap.fromS)}`),
        gap.toS > firstS && gap.fromS < lastS
          ? el(
              "button",
              {
                type: "button",
                class: "note__jump",
                "aria-label": `Go to ${clockText(gap.fromS - firstS)}, ${track.name}`,
                click: () => seek(Math.max(firstS, gap.fromS - 1)),
              },
              clockText(Math.max(0, gap.fromS - firstS)),
            )
          : null,
        el("small", { class: "figures" }, `${betweenText(gap, timeline)} · ${gap.label}`),
      ),
    );
  return el(
    "section",
    { class: "note", "aria-labelledby": "missing-title" },
    el("h2", { id: "missing-title" }, "What is missing"),
    rows.length === 0
      ? el("p", { class: "note__calm" }, "Nothing. Every camera has every picture of this class.")
      : el("ul", { class: "note__rows" }, ...rows),
  );
}

function cameras(timeline: ClassTimeline): HTMLElement {
  return el(
    "section",
    { class: "note", "aria-labelledby": "cameras-title" },
    el("h2", { id: "cameras-title" }, "Cameras"),
    el(
      "ul",
      { class: "note__rows" },
      ...timeline.tracks.map((track) =>
        el(
          "li",
          { class: "note__row", "data-position": track.position },
          el("i", { class: "gel" }),
          el("span", {}, track.name),
          el("span", { class: "note__calm figures" }, pictureText(track)),
          el("small", {}, clockWords(track)),
        ),
      ),
    ),
  );
}

function pictureText(track: Track): string {
  if (track.width === 0) return "no picture recorded";
  const fps = Math.round(track.fps * 100) / 100;
  return `${track.width} × ${track.height} · ${fps} fps · ${CODECS[track.codec] ?? track.codec}`;
}

function clockWords(track: Track): string {
  const sound = track.audio ? "with sound" : "no sound";
  if (track.clockErrorMs === null) return sound;
  return `${datedText(track.clockMethod, track.clockErrorMs)} · ${sound}`;
}
