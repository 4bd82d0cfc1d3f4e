/** Details below the player: what is missing, and the format and clock of each camera. */
import { gettext, numberText } from "../i18n.ts";
import { el } from "./dom.ts";
import { clockMethodText, clockText, lengthText } from "./format.ts";
import { timeRangeText } from "./seek_bar.ts";
import { type ClassTimeline, type Gap, missingOf, type Track } from "./timeline.ts";

const CODECS: Record<string, string> = { h264: "H.264", h265: "H.265" };

/** Gaps that are not listed: recording begins and ends at a key frame, so nothing was lost there. The lanes show them. */
const UNLISTED = new Set(["key_frame"]);

/** A stretch of a track without picture or without audio. */
export interface MissingStretch {
  readonly track: Track;
  readonly gap: Gap;
}

export class ClassDetails {
  readonly root: HTMLElement;
  private missing: HTMLElement;

  constructor(
    timeline: ClassTimeline,
    private readonly firstS: number,
    private readonly lastS: number,
    private readonly seek: (classS: number) => void,
  ) {
    this.missing = missing(timeline, [], firstS, lastS, seek);
    this.root = el("div", { class: "details" }, this.missing, cameras(timeline));
  }

  /** Updates the list of what is missing. */
  update(timeline: ClassTimeline, silences: readonly MissingStretch[]): void {
    const now = missing(timeline, silences, this.firstS, this.lastS, this.seek);
    // Only the list is replaced: a screen reader keeps its place at the heading.
    this.missing.lastElementChild?.replaceWith(now.lastElementChild ?? "");
  }
}

function missing(
  timeline: ClassTimeline,
  silences: readonly MissingStretch[],
  firstS: number,
  lastS: number,
  seek: (classS: number) => void,
): HTMLElement {
  const rows = [...timeline.tracks.flatMap((track) => missingOf(track).map((gap) => ({ track, gap }))), ...silences]
    .filter(({ gap }) => gap.toS > gap.fromS && !UNLISTED.has(gap.reason))
    .sort((a, b) => a.gap.fromS - b.gap.fromS)
    .map(({ track, gap }) =>
      el(
        "li",
        { class: "details__row", "data-position": track.position },
        el("i", { class: "swatch" }),
        el("span", {}, `${track.name} · ${lengthText(gap.toS - gap.fromS)}`),
        gap.toS > firstS && gap.fromS < lastS
          ? el(
              "button",
              {
                type: "button",
                class: "details__jump",
                "aria-label": gettext("Go to %(time)s, %(camera)s", {
                  time: clockText(gap.fromS - firstS),
                  camera: track.name,
                }),
                click: () => seek(Math.max(firstS, gap.fromS - 1)),
              },
              clockText(Math.max(0, gap.fromS - firstS)),
            )
          : null,
        el("small", { class: "figures" }, `${timeRangeText(gap, timeline)} · ${gap.label}`),
      ),
    );
  return el(
    "section",
    { class: "details__section", "aria-labelledby": "missing-title" },
    el("h2", { id: "missing-title" }, gettext("Missing parts")),
    rows.length === 0
      ? el("p", { class: "muted" }, gettext("None. Every camera recorded the whole class."))
      : el("ul", { class: "details__rows" }, ...rows),
  );
}

function cameras(timeline: ClassTimeline): HTMLElement {
  return el(
    "section",
    { class: "details__section", "aria-labelledby": "cameras-title" },
    el("h2", { id: "cameras-title" }, gettext("Cameras")),
    el(
      "ul",
      { class: "details__rows" },
      ...timeline.tracks.map((track) =>
        el(
          "li",
          { class: "details__row", "data-position": track.position },
          el("i", { class: "swatch" }),
          el("span", {}, track.name),
          el("span", { class: "muted figures" }, pictureText(track)),
          el("small", {}, clockWords(track)),
        ),
      ),
    ),
  );
}

function pictureText(track: Track): string {
  if (track.width === 0) return gettext("no video recorded");
  return `${track.width} × ${track.height} · ${gettext("%(rate)s fps", { rate: numberText(track.fps, 2) })} · ${CODECS[track.codec] ?? track.codec}`;
}

function clockWords(track: Track): string {
  const sound = track.audio ? gettext("with sound") : gettext("no sound");
  if (track.clockErrorMs === null) return sound;
  return `${clockMethodText(track.clockMethod, track.clockErrorMs)} · ${sound}`;
}
