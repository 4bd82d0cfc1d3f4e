/** Reads, and hides audio in, the boxes of fragmented MP4. Pure. Source: ISO/IEC 14496-12, 4.2 and 8. */

/** Returns handler type and sample format of each track that an init section declares, as `soun:mp4a vide:avc1`. */
export function tracksOf(init: Uint8Array): string {
  return traks(viewOf(init))
    .map(({ kind, format }) => `${kind}:${format}`)
    .sort()
    .join(" ");
}

/** Returns the ids of the audio tracks that an init section declares. */
export function audioTrackIds(init: Uint8Array): number[] {
  return traks(viewOf(init)).flatMap(({ kind, id }) => (kind === AUDIO ? [id] : []));
}

/**
 * Hides the audio of an init section or a fragment, in place.
 *
 * The type of each box that describes audio becomes `free`, which readers must skip (8.1.2). Sizes and offsets stay valid,
 * so nothing else has to be rewritten.
 */
export function hideAudio(media: Uint8Array, audioIds: readonly number[]): void {
  const view = viewOf(media);
  const hide = ([from]: Span): void => view.setUint32(from - 4, FREE);
  for (const { kind, span } of traks(view)) if (kind === AUDIO) hide(span);
  for (const trex of within(view, whole(view), ["moov", "mvex", "trex"])) {
    if (audioIds.includes(number(view, trex[0] + 4))) hide(trex);
  }
  for (const traf of within(view, whole(view), ["moof", "traf"])) {
    const [header] = boxes(view, "tfhd", traf);
    if (header !== undefined && audioIds.includes(number(view, header[0] + 4))) hide(traf);
  }
}

/** Returns whether media ends at the end of a box, by the sizes of its top-level boxes. */
export function areBoxesComplete(media: Uint8Array): boolean {
  const view = viewOf(media);
  let at = 0;
  while (at + 8 <= media.byteLength) {
    const size = view.getUint32(at);
    if (size < 8) return false;
    at += size;
  }
  return at === media.byteLength;
}

type Span = readonly [from: number, to: number];

interface Trak {
  readonly id: number;
  readonly kind: string;
  readonly format: string;
  readonly span: Span;
}

const AUDIO = "soun";
const FREE = 0x66726565;

function traks(view: DataView): Trak[] {
  return within(view, whole(view), ["moov", "trak"]).map((span) => {
    const [header] = boxes(view, "tkhd", span);
    const [handler] = within(view, span, ["mdia", "hdlr"]);
    const [description] = within(view, span, ["mdia", "minf", "stbl", "stsd"]);
    return {
      // The id follows version, flags and two times, which are 64 bits wide in version 1.
      id: header === undefined ? 0 : number(view, header[0] + (number(view, header[0]) >>> 24 === 1 ? 20 : 12)),
      kind: handler === undefined ? "" : fourCc(view, handler[0] + 8),
      // The first sample entry follows version, flags and count.
      format: description === undefined ? "" : fourCc(view, description[0] + 12),
      span,
    };
  });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function whole(view: DataView): Span {
  return [0, view.byteLength];
}

function within(view: DataView, span: Span, path: readonly string[]): Span[] {
  return path.reduce<Span[]>((spans, kind) => spans.flatMap((inner) => boxes(view, kind, inner)), [span]);
}

/** Returns the content spans of the boxes of one type within a span. */
function boxes(view: DataView, kind: string, [from, to]: Span): Span[] {
  const found: Span[] = [];
  for (let at = from; at + 8 <= to; ) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > to) break;
    if (fourCc(view, at + 4) === kind) found.push([at + 8, at + size]);
    at += size;
  }
  return found;
}

function number(view: DataView, at: number): number {
  return at + 4 <= view.byteLength ? view.getUint32(at) : 0;
}

function fourCc(view: DataView, at: number): string {
  const code = number(view, at);
  return String.fromCharCode(code >>> 24, (code >>> 16) & 255, (code >>> 8) & 255, code & 255);
}
