/**
 * Class time and media time. Pure: values in, values out.
 *
 * Class time is seconds since the class's `start_at`, on the clock all cameras were mapped to. Media time is seconds on
 * one track's playlist: the time of its `<video>`. A track is a sequence of fragments with both times each; the stretches
 * between fragments are blanks, which have no picture and a reason for it.
 */
import { gettext } from "../i18n.ts";

/** The start of a fragment in class time and in media time, and how long it runs; seconds. */
export interface Fragment {
  readonly classS: number;
  readonly mediaS: number;
  readonly durationS: number;
}

/** A stretch without picture, from `fromS` up to `toS` in class time. */
export interface Gap {
  readonly fromS: number;
  readonly toS: number;
  readonly reason: string;
  readonly label: string;
}

export interface Track {
  readonly id: string;
  readonly name: string;
  readonly position: string;
  readonly playlistUrl: string;
  readonly codec: string;
  /** The codec's RFC 6381 name, such as `avc1.64001f`; empty where it is not known. */
  readonly codecString: string;
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly audio: boolean;
  readonly clockMethod: string;
  readonly clockErrorMs: number | null;
  readonly fragments: readonly Fragment[];
  /** Missing stretches that the agent reported, with labels for viewers. */
  readonly gaps: readonly Gap[];
  /** Stretches that no fragment covers; everything outside of them has a picture. */
  readonly blanks: readonly Gap[];
  /** Of the class, seconds. */
  readonly durationS: number;
}

export interface ClassTimeline {
  readonly id: string;
  readonly title: string;
  /** Unix milliseconds. */
  readonly startAtMs: number;
  readonly durationS: number;
  readonly state: string;
  /** The studio's time zone, as an IANA name; undefined: the viewer's own. */
  readonly timeZone?: string | undefined;
  readonly tracks: readonly Track[];
}

/** One frame of a track: its start, and its middle, where a seek is safe from rounding. */
export interface Frame {
  readonly classS: number;
  readonly mediaS: number;
  readonly middleMediaS: number;
  readonly middleClassS: number;
  readonly durationS: number;
}

/** A shorter stretch without a fragment is jitter that drift control corrects, not a blank. */
export const SHORTEST_BLANK_S = 0.12;
/** Fragments are matched by their start: playlist and timeline each round it to a microsecond. */
const SAME_FRAGMENT_S = 0.002;

const POSITIONS = ["left", "centre", "right"];

export class TimelineError extends Error {}

/**
 * Returns the timeline of a class from the body of `timeline.json`, tracks in the order of the wall.
 *
 * @throws TimelineError the body is not a timeline; the message names the wrong field
 */
export function parseTimeline(body: unknown, timeZone?: string): ClassTimeline {
  const root = record(body, "timeline");
  const head = record(root["class"], "class");
  const durationS = number(head["duration_s"], "class.duration_s");
  const startAtMs = Date.parse(text(head["start_at"], "class.start_at"));
  if (Number.isNaN(startAtMs)) throw new TimelineError("class.start_at is not a time");
  const tracks = list(root["tracks"], "tracks").map((entry) => parseTrack(record(entry, "track"), durationS));
  tracks.sort((a, b) => wallOrder(a) - wallOrder(b));
  return {
    id: text(head["id"], "class.id"),
    title: text(head["title"], "class.title"),
    startAtMs,
    durationS,
    state: text(head["state"], "class.state"),
    timeZone,
    tracks,
  };
}

function parseTrack(entry: Record<string, unknown>, durationS: number): Track {
  const video = entry["video"] == null ? {} : record(entry["video"], "track.video");
  const clock = entry["clock"] == null ? {} : record(entry["clock"], "track.clock");
  const fragments = list(entry["fragments"], "track.fragments")
    .map((item) => {
      const [classS, mediaS, fragmentS] = list(item, "fragment");
      return {
        classS: number(classS, "fragment[0]"),
        mediaS: number(mediaS, "fragment[1]"),
        durationS: number(fragmentS, "fragment[2]"),
      };
    })
    .sort((a, b) => a.classS - b.classS);
  const gaps = list(entry["gaps"], "track.gaps").map((item) => {
    const gap = record(item, "gap");
    return {
      fromS: Math.max(0, number(gap["from_s"], "gap.from_s")),
      toS: number(gap["to_s"], "gap.to_s"),
      reason: text(gap["reason"], "gap.reason"),
      label: text(gap["label"], "gap.label"),
    };
  });
  return {
    id: text(entry["id"], "track.id"),
    name: text(entry["name"], "track.name"),
    position: text(entry["position"], "track.position"),
    playlistUrl: text(entry["playlist_url"], "track.playlist_url"),
    codec: String(video["codec"] ?? ""),
    codecString: String(video["codec_string"] ?? ""),
    width: Number(video["width"] ?? 0),
    height: Number(video["height"] ?? 0),
    fps: Number(video["fps"] ?? 0) > 0 ? Number(video["fps"]) : 30,
    audio: Boolean(entry["audio"]),
    clockMethod: String(clock["method"] ?? ""),
    clockErrorMs: typeof clock["error_bound_ms"] === "number" ? clock["error_bound_ms"] : null,
    fragments,
    gaps,
    blanks: blanksOf(fragments, gaps, durationS),
    durationS,
  };
}

/** Returns the track without the fragment that begins at `mediaS`, and the gap in its place; null without such a fragment. */
export function withoutFragment(track: Track, mediaS: number, reason: string, label: string): [Track, Gap] | null {
  const lost = track.fragments.find((fragment) => Math.abs(fragment.mediaS - mediaS) < SAME_FRAGMENT_S);
  if (lost === undefined) return null;
  const gap = { fromS: lost.classS, toS: lost.classS + lost.durationS, reason, label };
  const fragments = track.fragments.filter((fragment) => fragment !== lost);
  const gaps = [...track.gaps, gap];
  const blanks = blanksOf(fragments, gaps, track.durationS);
  // Even a fragment shorter than the shortest blank must become one: nothing plays there.
  if (!blanks.some((blank) => blank.fromS <= gap.fromS && gap.toS <= blank.toS)) blanks.push(gap);
  return [{ ...track, fragments, gaps, blanks: blanks.sort((a, b) => a.fromS - b.fromS) }, gap];
}

/** Returns the fragment that plays at `mediaS`, or null where there is none. */
export function fragmentAt(track: Track, mediaS: number): Fragment | null {
  const fragment = track.fragments[lastAtOrBefore(track.fragments, (item) => item.mediaS, mediaS + 1e-4)];
  return fragment !== undefined && mediaS < fragment.mediaS + fragment.durationS ? fragment : null;
}

/** Returns whether two gaps, or two times without one, are the same. */
export function sameGap(a: Gap | null, b: Gap | null): boolean {
  return a === b || (a !== null && b !== null && a.fromS === b.fromS && a.toS === b.toS && a.reason === b.reason);
}

/** Returns the stretches of `[0, durationS]` that no fragment covers, each with the reason of the gap that covers most of it. */
export function blanksOf(fragments: readonly Fragment[], gaps: readonly Gap[], durationS: number): Gap[] {
  const blanks: Gap[] = [];
  const add = (fromS: number, toS: number): void => {
    if (toS - fromS < SHORTEST_BLANK_S) return;
    const why = widestOverlap(gaps, fromS, toS);
    blanks.push({ fromS, toS, reason: why?.reason ?? "unknown", label: why?.label ?? gettext("no picture here") });
  };
  let coveredS = 0;
  for (const fragment of fragments) {
    add(coveredS, fragment.classS);
    coveredS = Math.max(coveredS, fragment.classS + fragment.durationS);
  }
  add(coveredS, durationS);
  return blanks;
}

function widestOverlap(gaps: readonly Gap[], fromS: number, toS: number): Gap | null {
  let best: Gap | null = null;
  let bestS = 0;
  for (const gap of gaps) {
    const sharedS = Math.min(gap.toS, toS) - Math.max(gap.fromS, fromS);
    if (sharedS > bestS) [best, bestS] = [gap, sharedS];
  }
  return best;
}

/** Returns what viewers see as missing: the reported gaps, and blanks without a reported reason. */
export function missingOf(track: Track): Gap[] {
  const unexplained = track.blanks.filter((blank) => blank.reason === "unknown");
  return [...track.gaps, ...unexplained].sort((a, b) => a.fromS - b.fromS);
}

/** Returns the blank that contains `classS`, or null if the track has a picture there. */
export function blankAt(track: Track, classS: number): Gap | null {
  return track.blanks.find((blank) => blank.fromS <= classS && classS < blank.toS) ?? null;
}

/** Returns the next blank that begins after `classS`, or null. */
export function nextBlank(track: Track, classS: number): Gap | null {
  return track.blanks.find((blank) => blank.fromS > classS) ?? null;
}

/** Returns the media time of `classS`, or null in a blank. */
export function mediaTimeAt(track: Track, classS: number): number | null {
  if (blankAt(track, classS) !== null) return null;
  const index = lastAtOrBefore(track.fragments, (fragment) => fragment.classS, classS);
  const fragment = track.fragments[Math.max(index, 0)];
  if (fragment === undefined) return null;
  return fragment.mediaS + clamp(classS - fragment.classS, 0, fragment.durationS);
}

/** Returns the class time of a media time; between fragments the one before is extrapolated. */
export function classTimeAt(track: Track, mediaS: number): number {
  const index = Math.max(
    0,
    lastAtOrBefore(track.fragments, (fragment) => fragment.mediaS, mediaS + 1e-4),
  );
  const fragment = track.fragments[index];
  return fragment === undefined ? mediaS : fragment.classS + (mediaS - fragment.mediaS);
}

/** Returns the frame at `classS`, or null in a blank. */
export function frameAt(track: Track, classS: number): Frame | null {
  if (blankAt(track, classS) !== null) return null;
  const index = Math.max(
    0,
    lastAtOrBefore(track.fragments, (fragment) => fragment.classS, classS),
  );
  const fragment = track.fragments[index];
  if (fragment === undefined) return null;
  const frameS = 1 / track.fps;
  const count = Math.max(1, Math.round(fragment.durationS * track.fps));
  // Class times are rounded to a microsecond: 1e-3 of a frame keeps the start of a frame from falling into the one before.
  const nth = clamp(Math.floor((classS - fragment.classS) * track.fps + 1e-3), 0, count - 1);
  const offsetS = nth * frameS;
  return {
    classS: fragment.classS + offsetS,
    mediaS: fragment.mediaS + offsetS,
    middleMediaS: fragment.mediaS + offsetS + frameS / 2,
    middleClassS: fragment.classS + offsetS + frameS / 2,
    durationS: frameS,
  };
}

/** Returns the class time of the middle of the frame that is `frames` frames from `classS`. */
export function stepFrom(track: Track, classS: number, frames: number): number {
  const here = frameAt(track, classS);
  if (here === null) return classS + frames / track.fps;
  const thereS = here.middleClassS + frames * here.durationS;
  const blank = blankAt(track, thereS);
  if (blank !== null) return frames > 0 ? blank.toS + here.durationS / 2 : blank.fromS - here.durationS / 2;
  return frameAt(track, thereS)?.middleClassS ?? thereS;
}

/** Returns the class times of the first and the last picture of any track; [0, 0] without pictures. */
export function playableRange(timeline: ClassTimeline): readonly [number, number] {
  let firstS = Infinity;
  let lastS = 0;
  for (const { fragments } of timeline.tracks) {
    const last = fragments.at(-1);
    if (fragments[0] === undefined || last === undefined) continue;
    firstS = Math.min(firstS, fragments[0].classS);
    lastS = Math.max(lastS, last.classS + last.durationS);
  }
  return firstS === Infinity ? [0, 0] : [Math.max(0, firstS), lastS];
}

/** Returns where playback opens: the first class time at which every track with pictures shows one. */
export function openingS(timeline: ClassTimeline): number {
  const starts = timeline.tracks.flatMap(({ fragments }) => (fragments[0] ? [fragments[0].classS] : []));
  const latestS = Math.max(0, ...starts);
  return latestS <= playableRange(timeline)[0] + 5 ? latestS : playableRange(timeline)[0];
}

function lastAtOrBefore<T>(items: readonly T[], key: (item: T) => number, value: number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (key(items[middle] as T) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

function wallOrder(track: Track): number {
  const order = POSITIONS.indexOf(track.position);
  return order < 0 ? POSITIONS.length : order;
}

function record(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TimelineError(`${name} is not an object`);
  }
  return value as Record<string, unknown>;
}

function list(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw new TimelineError(`${name} is not a list`);
  return value;
}

function number(value: unknown, name: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new TimelineError(`${name} is not a number`);
  return value;
}

function text(value: unknown, name: string): string {
  if (typeof value !== "string") throw new TimelineError(`${name} is not a text`);
  return value;
}
