/**
 * Reads a track's HLS playlist, and writes it anew with unplayable entries as gaps. Pure.
 *
 * An entry is a fragment, or the placeholder of a gap. Its index is its media sequence number, because our playlists
 * begin at 0. Source: RFC 8216, 4.3.2 and 4.3.3; `EXT-X-GAP` of its second edition, 4.4.4.7.
 */

export interface PlaylistEntry {
  readonly index: number;
  /** Start and duration in media time, seconds. */
  readonly startS: number;
  readonly durationS: number;
  /** The URL of its init section as written in the playlist; empty if none was given yet. */
  readonly init: string;
  readonly gap: boolean;
}

const MAP = /^#EXT-X-MAP:.*?URI="([^"]*)"/;
const ENCRYPTED = /^#EXT-X-KEY:(?!METHOD=NONE)/;

/** Returns the entries of a playlist in order. */
export function parsePlaylist(playlist: string): PlaylistEntry[] {
  const entries: PlaylistEntry[] = [];
  let startS = 0;
  let durationS = 0;
  let init = "";
  let gap = false;
  for (const line of lines(playlist)) {
    init = MAP.exec(line)?.[1] ?? init;
    if (line === "#EXT-X-GAP") gap = true;
    else if (line.startsWith("#EXTINF:")) durationS = Number.parseFloat(line.slice(8)) || 0;
    if (line.startsWith("#")) continue;
    entries.push({ index: entries.length, startS, durationS, init, gap });
    startS += durationS;
    gap = false;
  }
  return entries;
}

/** Returns the entry at `mediaS`: the last one for a time past the end, null if there is none. */
export function entryAt(entries: readonly PlaylistEntry[], mediaS: number): PlaylistEntry | null {
  return entries.findLast((entry) => entry.startS <= mediaS + 1e-4) ?? entries[0] ?? null;
}

/**
 * Returns the playlist with every entry that `skips` selects turned into a gap of the same duration.
 *
 * Keys and init sections that only skipped entries need are left out, because hls.js would request them.
 */
export function withGaps(playlist: string, skips: (entry: PlaylistEntry) => boolean): string {
  const entries = parsePlaylist(playlist);
  const kept = entries.map((entry) => !entry.gap && !skips(entry));
  const maps = new Map<string, string>();
  const written: string[] = [];
  let tags: string[] = [];
  let index = 0;
  let init = "";
  const useInit = (entry: PlaylistEntry | undefined): void => {
    const map = entry === undefined ? undefined : maps.get(entry.init);
    if (entry === undefined || map === undefined || entry.init === init) return;
    // A key also covers the init sections behind it; ours are clear.
    if (init !== "") written.push("#EXT-X-KEY:METHOD=NONE");
    written.push(map);
    init = entry.init;
  };
  for (const line of lines(playlist)) {
    const map = MAP.exec(line)?.[1];
    if (map !== undefined) maps.set(map, line);
  }
  for (const line of lines(playlist)) {
    if (MAP.test(line)) {
      if (index > 0 || init !== "") continue;
      // Before the first entry: the init section of the first entry that will play.
      written.push(...tags);
      tags = [];
      useInit(entries[kept.indexOf(true)]);
      continue;
    }
    if (line.startsWith("#")) {
      tags.push(line);
      continue;
    }
    if (kept[index]) {
      const breaks = tags.filter((tag) => tag === "#EXT-X-DISCONTINUITY");
      written.push(...breaks);
      useInit(entries[index]);
      written.push(...tags.filter((tag) => tag !== "#EXT-X-DISCONTINUITY"), line);
    } else {
      const stays = tags.filter(
        (tag) => !ENCRYPTED.test(tag) && !tag.startsWith("#EXT-X-BYTERANGE") && tag !== "#EXT-X-GAP",
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
