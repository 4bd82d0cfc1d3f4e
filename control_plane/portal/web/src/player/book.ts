/** What is known of one track's playlist, shared by the streams that play it one after the other. Pure. */
import type { Piece } from "./pieces.ts";

/** After so many pieces with damaged sound the rest of the track is played without sound. */
const MOST_SILENCED = 3;
const SOUND = /\bsoun:\S*\s?/g;

export class PieceBook {
  pieces: readonly Piece[] = [];
  private readonly lost = new Set<number>();
  private readonly silenced = new Set<number>();
  private readonly inits = new Map<string, { readonly tracks: string; readonly soundIds: readonly number[] }>();

  /** Gives a piece up. */
  lose(startS: number): void {
    this.lost.add(key(startS));
  }

  /** Lets a piece play without its sound from now on; returns false where that is so already, or it has none. */
  silence(startS: number): boolean {
    const piece = this.pieces.find((other) => key(other.startS) === key(startS));
    const tracks = this.inits.get(piece?.init ?? "")?.tracks ?? "";
    if (piece === undefined || !tracks.includes("soun:") || this.isSilent(piece)) return false;
    this.silenced.add(key(startS));
    return true;
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
    return this.silenced.size >= MOST_SILENCED;
  }

  isSilent(piece: Piece): boolean {
    return this.isAllSilent || this.silenced.has(key(piece.startS));
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
