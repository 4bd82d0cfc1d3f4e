/**
 * The pieces of one track's playlist, and the playlist of those that one stream can play. Pure.
 *
 * A piece is one entry of the playlist: a fragment, or the stand-in of a gap. Its index is its media sequence number, as
 * our playlists begin at 0. Source: RFC 8216, 4.3.2 and 4.3.3; `EXT-X-GAP` of its second edition, 4.4.4.7.
 */

export interface Piece {
  readonly index: number;
  /** Where it begins and how long it runs in media time, seconds. */
  readonly startS: number;
  readonly durationS: number;
  /** The address of its init section as the playlist gives it; empty where there is none yet. */
  readonly init: string;
  readonly gap: boolean;
}

const MAP = /^#EXT-X-MAP:.*?URI="([^"]*)"/;
const SEALED = /^#EXT-X-KEY:(?!METHOD=NONE)/;

/** Returns the pieces of a playlist in order. */
export function parsePieces(playlist: string): Piece[] {
  const pieces: Piece[] = [];
  let startS = 0;
  let durationS = 0;
  let init = "";
  let gap = false;
  for (const line of lines(playlist)) {
    init = MAP.exec(line)?.[1] ?? init;
    if (line === "#EXT-X-GAP") gap = true;
    else if (line.startsWith("#EXTINF:")) durationS = Number.parseFloat(line.slice(8)) || 0;
    if (line.startsWith("#")) continue;
    pieces.push({ index: pieces.length, startS, durationS, init, gap });
    startS += durationS;
    gap = false;
  }
  return pieces;
}

/** Returns the piece that holds `mediaS`; the last one for a time past the end, null where there is none. */
export function pieceAt(pieces: readonly Piece[], mediaS: number): Piece | null {
  return pieces.findLast((piece) => piece.startS <= mediaS + 1e-4) ?? pieces[0] ?? null;
}

/**
 * Returns the playlist with every piece that `skips` names turned into a gap of the same length.
 *
 * Neither keys nor init sections that only skipped pieces need are named in it: a player would ask for them.
 */
export function withGaps(playlist: string, skips: (piece: Piece) => boolean): string {
  const pieces = parsePieces(playlist);
  const kept = pieces.map((piece) => !piece.gap && !skips(piece));
  const maps = new Map<string, string>();
  const written: string[] = [];
  let tags: string[] = [];
  let index = 0;
  let init = "";
  const useInit = (piece: Piece | undefined): void => {
    const map = piece === undefined ? undefined : maps.get(piece.init);
    if (piece === undefined || map === undefined || piece.init === init) return;
    // A key also covers the init sections behind it; ours are clear.
    if (init !== "") written.push("#EXT-X-KEY:METHOD=NONE");
    written.push(map);
    init = piece.init;
  };
  for (const line of lines(playlist)) {
    const map = MAP.exec(line)?.[1];
    if (map !== undefined) maps.set(map, line);
  }
  for (const line of lines(playlist)) {
    if (MAP.test(line)) {
      if (index > 0 || init !== "") continue;
      // Before the first piece the decoder is set up for the first picture that will come.
      written.push(...tags);
      tags = [];
      useInit(pieces[kept.indexOf(true)]);
      continue;
    }
    if (line.startsWith("#")) {
      tags.push(line);
      continue;
    }
    if (kept[index]) {
      const breaks = tags.filter((tag) => tag === "#EXT-X-DISCONTINUITY");
      written.push(...breaks);
      useInit(pieces[index]);
      written.push(...tags.filter((tag) => tag !== "#EXT-X-DISCONTINUITY"), line);
    } else {
      const stays = tags.filter(
        (tag) => !SEALED.test(tag) && !tag.startsWith("#EXT-X-BYTERANGE") && tag !== "#EXT-X-GAP",
      );
      written.push(...stays, "#EXT-X-GAP", "gap.m4s");
    }
    tags = [];
    index++;
  }
  return [...written, ...tags, ""].join("\n");
}

function lines(playlist: string): string[] {
  return playlist
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}
