/** What is known of one track's playlist, shared by the streams that play it one after the other. Pure. */
import type { Piece } from "./playlist.ts";

/** After so many pieces with damaged sound the rest of the track is played without sound. */
const MOST_DAMAGED = 3;
/** Where sound is missing that was promised it is for some seconds; each change back and forth costs a new stream. */
const MISSING_PIECES = 4;
const SOUND = /\bsoun:\S*\s?/g;

export class PieceBook {
  pieces: readonly Piece[] = [];
  private readonly lost = new Set<number>();
  private readonly silenced = new Set<number>();
  private damaged = 0;
  private readonly inits = new Map<string, { readonly tracks: string; readonly soundIds: readonly number[] }>();

  /** Gives a piece up. */
  lose(startS: number): void {
    this.lost.add(key(startS));
  }

  /**
   * Lets a piece play without its sound from now on, because that is damaged or missing. Where sound is missing the next
   * pieces of the same init section are treated alike.
   *
   * @returns where the pieces begin; none where that is so already, or the piece has no sound
   */
  silence(startS: number, why: "damaged" | "missing"): number[] {
    const first = this.pieces.find((other) => key(other.startS) === key(startS));
    const tracks = this.inits.get(first?.init ?? "")?.tracks ?? "";
    if (first === undefined || !tracks.includes("soun:") || this.isSilent(first)) return [];
    if (why === "damaged") this.damaged++;
    const count = why === "missing" ? MISSING_PIECES : 1;
    const following = this.pieces.slice(first.index, first.index + count);
    const starts = following.filter(({ init, gap }) => init === first.init && !gap).map((piece) => piece.startS);
    for (const start of starts) this.silenced.add(key(start));
    return starts;
  }

  /** Notes what the init section at an address declares. */
  learn(init: string, tracks: string, soundIds: readonly number[]): void {
    this.inits.set(init, { tracks, soundIds });
  }

  soundIdsOf(init: string): readonly number[] {
    return this.inits.get(init)?.soundIds ?? [];
  }

  /** Returns whether no piece plays with sound any more. */
  get isAllSilent(): boolean {
    return this.damaged >= MOST_DAMAGED;
  }

  isSilent(piece: Piece): boolean {
    return this.isSilentAt(piece.startS);
  }

  isSilentAt(startS: number): boolean {
    return this.isAllSilent || this.silenced.has(key(startS));
  }

  /** Returns what a stream has to declare that plays this piece; undefined: its init section was not loaded yet. */
  tracksOf(piece: Piece): string | undefined {
    const tracks = this.inits.get(piece.init)?.tracks;
    return tracks !== undefined && this.isSilent(piece) ? withoutSound(tracks) : tracks;
  }

  /** Returns whether a stream that declares `tracks` can play a piece, as far as is known. */
  playable(piece: Piece, tracks: string | undefined): boolean {
    if (piece.gap || this.lost.has(key(piece.startS))) return false;
    const wanted = this.tracksOf(piece);
    return wanted === undefined || tracks === undefined || wanted === tracks;
  }
}

/** Returns the description of tracks without those of sound. */
export function withoutSound(tracks: string): string {
  return tracks.replace(SOUND, "").trim();
}

function key(startS: number): number {
  return Math.round(startS * 1000);
}
