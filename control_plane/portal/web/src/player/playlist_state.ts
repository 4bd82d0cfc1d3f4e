/**
 * What one track's streams have learned about its playlist: which entries cannot be played, and which only without audio.
 * A stream is replaced when it fails; the next one starts from this state. Pure.
 */
import type { PlaylistEntry } from "./playlist.ts";

/** After this many entries with damaged audio the rest of the track is played without audio. */
const MAX_DAMAGED_ENTRIES = 3;
/** Missing audio usually stays missing for some seconds, and each change between with and without costs a new stream. */
const MISSING_AUDIO_ENTRIES = 4;
const AUDIO_TRACKS = /\bsoun:\S*\s?/g;

export class PlaylistState {
  entries: readonly PlaylistEntry[] = [];
  private readonly unplayable = new Set<number>();
  private readonly silenced = new Set<number>();
  private damagedCount = 0;
  private readonly inits = new Map<string, { readonly tracks: string; readonly audioIds: readonly number[] }>();

  /** Marks an entry as unplayable. */
  giveUp(startS: number): void {
    this.unplayable.add(key(startS));
  }

  /**
   * Marks an entry, whose audio is damaged or missing, to be played without audio. If the audio is missing, the following
   * entries of the same init section are marked too.
   *
   * @returns the start of each newly marked entry; empty if the entry has no audio or was marked before
   */
  silence(startS: number, why: "damaged" | "missing"): number[] {
    const first = this.entries.find((other) => key(other.startS) === key(startS));
    const tracks = this.inits.get(first?.init ?? "")?.tracks ?? "";
    if (first === undefined || !tracks.includes("soun:") || this.isSilent(first)) return [];
    if (why === "damaged") this.damagedCount++;
    const count = why === "missing" ? MISSING_AUDIO_ENTRIES : 1;
    const following = this.entries.slice(first.index, first.index + count);
    const starts = following.filter(({ init, gap }) => init === first.init && !gap).map((entry) => entry.startS);
    for (const start of starts) this.silenced.add(key(start));
    return starts;
  }

  /** Records which tracks the init section at a URL declares. */
  setInit(url: string, tracks: string, audioIds: readonly number[]): void {
    this.inits.set(url, { tracks, audioIds });
  }

  /** Returns the ids of the audio tracks that the init section at a URL declares. */
  audioIdsOf(url: string): readonly number[] {
    return this.inits.get(url)?.audioIds ?? [];
  }

  /** Returns whether the whole track is played without audio. */
  get isAudioDisabled(): boolean {
    return this.damagedCount >= MAX_DAMAGED_ENTRIES;
  }

  isSilent(entry: PlaylistEntry): boolean {
    return this.isSilentAt(entry.startS);
  }

  isSilentAt(startS: number): boolean {
    return this.isAudioDisabled || this.silenced.has(key(startS));
  }

  /** Returns the tracks that a stream must declare to play this entry; undefined before its init section is loaded. */
  tracksOf(entry: PlaylistEntry): string | undefined {
    const tracks = this.inits.get(entry.init)?.tracks;
    return tracks !== undefined && this.isSilent(entry) ? withoutAudio(tracks) : tracks;
  }

  /** Returns whether a stream that declares `tracks` can play an entry, as far as is known. */
  isPlayable(entry: PlaylistEntry, tracks: string | undefined): boolean {
    if (entry.gap || this.unplayable.has(key(entry.startS))) return false;
    const needed = this.tracksOf(entry);
    return needed === undefined || tracks === undefined || needed === tracks;
  }
}

/** Returns a description of tracks, as of `tracksOf` in `mp4_boxes`, without its audio tracks. */
export function withoutAudio(tracks: string): string {
  return tracks.replace(AUDIO_TRACKS, "").trim();
}

/** Entries are matched by their start in whole ms: their sums of durations differ in the last bits of a float. */
function key(startS: number): number {
  return Math.round(startS * 1000);
}
