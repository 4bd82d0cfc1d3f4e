/**
 * One hls.js instance that feeds one `<video>` from one place on, until it fails or a newer one takes over.
 *
 * It maps what hls.js and the browser report to a few failures, each with the piece of the playlist that caused it. It
 * decides nothing: `screen` counts the failures of a piece and gives it up.
 */
import Hls, { type ErrorData, type Fragment, type HlsConfig, type Loader, type LoaderCallbacks } from "hls.js/light";
import { areWhole, hideSound, soundIdsOf, tracksOf } from "./mp4_boxes.ts";
import { type Piece, parsePieces, pieceAt, withGaps } from "./playlist.ts";
import { type PieceBook, withoutSound } from "./playlist_state.ts";

/** Why a piece does not play: its pictures, its sound, its bytes, or a format that this browser lacks. */
export type PieceFault = "undecodable" | "inaudible" | "unavailable" | "unsupported";

export interface Failure {
  readonly fault: PieceFault;
  /** Trying the same piece again cannot help. */
  readonly final: boolean;
  /** The video element has failed and needs a new stream; otherwise what is loaded still plays. */
  readonly dead: boolean;
  /** It is certain that it is not its sound alone that is at fault. */
  readonly certain: boolean;
  /** The stream played the piece without its sound: what failed are its pictures. */
  readonly silent: boolean;
  /** What the server has answered, where that is the failure. */
  readonly status: number | null;
}

export interface StreamEvents {
  /** The piece that begins at `startS` cannot be played. */
  failed(startS: number, failure: Failure): void;
  /** The server or the network does not deliver; `stopped`: hls.js has given up trying. */
  busy(status: number | null, stopped: boolean): void;
  /** The server refuses the viewer, not the piece. */
  refused(status: number): void;
  /** Something was loaded into the video. */
  buffered(): void;
  /** The server has given something of the class. */
  answered(): void;
}

const REFUSED_FOR_GOOD = 401;
/** What the browser says of a picture that it cannot decode holds the picture's time in µs, where it is Chromium. */
const PICTURE_TIME = /timestamp=(\d+)/;
/** What it says where it is the sound that it cannot decode, or the pictures. */
const SOUND_FAILED = /audio (packet|sample|decode)/i;
const PICTURES_FAILED = /video (packet|sample|decode)/i;
/** What it says of bytes that it cannot even read. */
const UNREADABLE = /APPEND|PARSE|DEMUXER/i;
/** A decoder works ahead of the picture shown by up to this; nearer to its end the next fragment is the suspect. */
const DECODES_AHEAD_S = 0.5;
/** A new stream may be asked for any picture this near to its start: they are in what it loads first. */
const SAME_START_S = 1;

export class Stream {
  /** Nothing more is loaded; what is there still plays. */
  stopped = false;
  /** The video element has failed. */
  dead = false;
  private readonly hls: Hls;
  private tracks: string | undefined;
  /** It plays without sound, whatever the pieces hold. */
  private readonly isSilent: boolean;
  private appending: number | null = null;
  private spoilt = false;
  private closed = false;
  private readonly onMediaError = (): void => this.mediaFailed();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly playlistUrl: string,
    private readonly book: PieceBook,
    private readonly startS: number,
    workerPath: string,
    private readonly events: StreamEvents,
  ) {
    const piece = pieceAt(book.pieces, startS);
    this.tracks = piece === null ? undefined : book.tracksOf(piece);
    this.isSilent = piece !== null && book.isSilent(piece);
    const hls = new Hls({
      // Where the browser decrypts by itself (off this thread), a worker only delays the first picture; over plain
      // http it does not, and hls.js's own decryption must not hold up the page.
      enableWorker: !window.isSecureContext,
      workerPath,
      startPosition: startS,
      startFragPrefetch: true,
      maxBufferLength: 20,
      maxMaxBufferLength: 60,
      backBufferLength: 40,
      maxBufferHole: 0.05,
      nudgeOnVideoHole: false,
      fragLoadPolicy: { default: { ...Hls.DefaultConfig.fragLoadPolicy.default, maxTimeToFirstByteMs: 15_000 } },
      keyLoadPolicy: { default: { ...Hls.DefaultConfig.keyLoadPolicy.default, errorRetry: null, timeoutRetry: null } },
      pLoader: this.playlistLoader(),
      fLoader: this.fragmentLoader(),
      errorController: PassiveErrorController,
      ...(this.isSilent ? silencing(book) : {}),
    });
    this.hls = hls;
    hls.on(Hls.Events.ERROR, (_name, data) => this.failed(data));
    hls.on(Hls.Events.BUFFER_APPENDING, (_name, { chunkMeta, data }) => {
      this.appending = this.startOf(chunkMeta);
      if (!areWhole(data)) this.spoil(this.appending, true);
    });
    hls.on(Hls.Events.FRAG_BUFFERED, (_name, { frag }) => {
      const startS = this.startOf(frag);
      // hls.js takes for a gap what has put nothing into the buffer, as where sound is missing that was promised.
      if (startS !== null && (frag as { gap?: boolean }).gap) this.spoil(startS, false);
      else this.events.buffered();
    });
    for (const event of [Hls.Events.KEY_LOADED, Hls.Events.FRAG_LOADED] as const)
      hls.on(event, () => this.events.answered());
    video.addEventListener("error", this.onMediaError);
    hls.loadSource(playlistUrl);
    hls.attachMedia(video);
  }

  /** Returns whether this stream can play what stands at `mediaS`: it holds it, or may still load it. */
  reaches(mediaS: number): boolean {
    if (this.dead) return false;
    // Before anything is loaded a video element does not tell hls.js where it was sent to.
    if (this.video.readyState === 0 && Math.abs(mediaS - this.startS) > SAME_START_S) return false;
    const piece = pieceAt(this.book.pieces, mediaS);
    if (piece !== null && !this.book.playable(piece, this.tracks)) return false;
    return !this.stopped || this.holds(mediaS, 0);
  }

  /** Returns whether `mediaS` and `aheadS` seconds behind it are loaded. */
  holds(mediaS: number, aheadS: number): boolean {
    const { buffered } = this.video;
    for (let index = 0; index < buffered.length; index++) {
      if (buffered.start(index) <= mediaS && mediaS + aheadS <= buffered.end(index)) return true;
    }
    return false;
  }

  /** Loads on after a stop; a piece that was given up meanwhile is left out. */
  resume(): void {
    const here = pieceAt(this.book.pieces, this.video.currentTime);
    const isStuck = this.video.readyState === 0 && here !== null && !this.book.playable(here, this.tracks);
    if (this.closed || this.dead || this.spoilt || isStuck) return;
    this.stopped = false;
    const details = this.hls.levels[0]?.details;
    for (const fragment of details?.fragments ?? []) {
      const piece = this.book.pieces[Number(fragment.sn)];
      if (piece === undefined || fragment.gap || this.book.playable(piece, this.tracks)) continue;
      // As the playlist's own `EXT-X-GAP` would: hls.js asks for neither key nor bytes of it again.
      fragment.gap = true;
      fragment.tagList.push(["GAP"]);
    }
    if (details === undefined) this.hls.loadSource(this.playlistUrl);
    else this.hls.startLoad(this.video.currentTime);
  }

  close(): void {
    this.closed = true;
    this.dead = true;
    this.video.removeEventListener("error", this.onMediaError);
    this.hls.destroy();
  }

  private stop(): void {
    this.stopped = true;
    this.hls.stopLoad();
  }

  /** Gives a piece up that was appended all the same: what follows it would be read as its rest. */
  private spoil(startS: number | null, certain: boolean): void {
    if (this.spoilt || this.dead) return;
    this.spoilt = true;
    this.stop();
    this.report(startS, "undecodable", { final: true, certain });
  }

  private failed(data: ErrorData): void {
    const { ErrorDetails, ErrorTypes } = Hls;
    // What was aborted was aborted here.
    if (this.closed || data.details === ErrorDetails.INTERNAL_ABORTED) return;
    const status = data.response?.code || null;
    if (status === REFUSED_FOR_GOOD) {
      this.stop();
      this.events.refused(status);
      return;
    }
    const startS = this.startOf(data.frag);
    if (data.type === ErrorTypes.NETWORK_ERROR) {
      if (data.fatal) this.stopped = true;
      if (startS !== null && isFinal(status)) {
        this.stop();
        this.report(startS, "unavailable", { status, certain: true });
      } else if (data.details !== ErrorDetails.FRAG_GAP) {
        this.events.busy(status, this.stopped);
      }
      return;
    }
    switch (data.details) {
      case ErrorDetails.FRAG_DECRYPT_ERROR:
        this.stop();
        this.report(startS, "undecodable", { final: true, certain: true });
        return;
      case ErrorDetails.FRAG_PARSING_ERROR:
        if (data.fatal) this.stopped = true;
        this.report(startS, "undecodable", { final: true, certain: true });
        return;
      case ErrorDetails.BUFFER_ADD_CODEC_ERROR:
      case ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR:
      case ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR:
        this.dead = true;
        this.report(startS, "unsupported", { final: true });
        return;
    }
    if (!data.fatal && data.details !== ErrorDetails.MEDIA_SOURCE_REQUIRES_RESET) return;
    this.appending = startS ?? this.appending;
    this.mediaFailed();
  }

  /** The video element has failed, or its media source: what the browser says of it may come a moment later. */
  private mediaFailed(): void {
    if (this.dead) return;
    this.dead = true;
    this.hls.stopLoad();
    window.setTimeout(() => {
      if (!this.closed) this.blame(this.video.error?.message ?? "");
    });
  }

  /** Finds the piece that the video element has failed at, from what the browser says. */
  private blame(words: string): void {
    const pictureUs = PICTURE_TIME.exec(words)?.[1];
    const certain = PICTURES_FAILED.test(words);
    const fault = SOUND_FAILED.test(words) ? "inaudible" : "undecodable";
    const isUnreadable = words === "" || UNREADABLE.test(words);
    if (pictureUs === undefined && isUnreadable && this.appending !== null) {
      this.report(this.appending, fault, { final: true, certain });
      return;
    }
    const atS = pictureUs === undefined ? this.video.currentTime : Number(pictureUs) / 1e6;
    this.report(pictureUs === undefined ? this.suspectS(atS) : this.pieceStartS(atS), fault, { certain });
  }

  private report(startS: number | null, fault: PieceFault, how: Partial<Failure>): void {
    const placeS = startS ?? this.pieceStartS(this.video.currentTime);
    const silent = this.isSilent;
    this.events.failed(placeS, { fault, final: false, certain: false, status: null, ...how, silent, dead: this.dead });
  }

  private pieceStartS(mediaS: number): number {
    return pieceAt(this.book.pieces, mediaS)?.startS ?? mediaS;
  }

  private suspectS(shownS: number): number {
    const piece = pieceAt(this.book.pieces, shownS);
    if (piece === null) return shownS;
    const next = this.book.pieces[piece.index + 1];
    const isNearEnd = piece.startS + piece.durationS - shownS < DECODES_AHEAD_S;
    return isNearEnd && next !== undefined && this.book.playable(next, this.tracks) ? next.startS : piece.startS;
  }

  /** Returns where a fragment of hls.js begins in the playlist; null for an init section, which belongs to many. */
  private startOf(fragment: { readonly sn: number | string } | undefined): number | null {
    return this.book.pieces[Number(fragment?.sn)]?.startS ?? null;
  }

  /** Returns a loader that takes out of the playlist what this stream cannot play. */
  private playlistLoader(): NonNullable<HlsConfig["pLoader"]> {
    const { book } = this;
    const isSkipped = (piece: Piece): boolean => !book.playable(piece, this.tracks);
    return changing((data) => {
      if (typeof data !== "string") return data;
      book.pieces = parsePieces(data);
      return withGaps(data, isSkipped);
    }) as NonNullable<HlsConfig["pLoader"]>;
  }

  /** Returns a loader that holds every init section against the first: a media source keeps the tracks it began with. */
  private fragmentLoader(): NonNullable<HlsConfig["fLoader"]> {
    return changing((data, context) => {
      const { frag } = context as { frag?: Fragment };
      if (frag?.sn !== "initSegment" || !(data instanceof ArrayBuffer)) return data;
      const init = new Uint8Array(data);
      const soundIds = soundIdsOf(init);
      this.book.learn(frag.relurl ?? "", tracksOf(init), soundIds);
      if (this.isSilent) hideSound(init, soundIds);
      const tracks = this.isSilent ? withoutSound(tracksOf(init)) : tracksOf(init);
      this.tracks ??= tracks;
      if (tracks === this.tracks) return data;
      this.stop();
      return null;
    }) as NonNullable<HlsConfig["fLoader"]>;
  }
}

/** Returns hls.js's own loader with its answers changed; an answer that becomes null is never given. */
function changing(change: (data: unknown, context: unknown) => unknown): HlsConfig["loader"] {
  return class extends Hls.DefaultConfig.loader {
    override load(...[context, config, callbacks]: Parameters<Loader<never>["load"]>): void {
      const onSuccess: LoaderCallbacks<never>["onSuccess"] = (response, stats, answered, details) => {
        const data = change(response.data, answered);
        if (data !== null) callbacks.onSuccess({ ...response, data } as typeof response, stats, answered, details);
      };
      super.load(context, config, { ...callbacks, onSuccess } as never);
    }
  };
}

/**
 * hls.js's own error controller, which leaves a failed media source alone.
 *
 * hls.js would attach a new one before anybody else hears of the failure. The element's error is gone then, and with it
 * the only hint to the piece that failed; and a new stream replaces the whole of it anyway.
 */
class PassiveErrorController extends Hls.DefaultConfig.errorController {
  override onErrorOut(
    ...[event, data]: Parameters<InstanceType<typeof Hls.DefaultConfig.errorController>["onErrorOut"]>
  ): void {
    if (data.details !== Hls.ErrorDetails.MEDIA_SOURCE_REQUIRES_RESET) super.onErrorOut(event, data);
  }
}

/** Returns hls.js's own buffer controller, which hides the sound of each fragment before it is appended. */
function silencing(book: PieceBook): Partial<HlsConfig> {
  const Base = Hls.DefaultConfig.bufferController as NonNullable<HlsConfig["bufferController"]>;
  class Silencing extends Base {
    constructor(...[hls, tracker]: ConstructorParameters<typeof Base>) {
      // Listens before the controller itself does: what it appends is already without sound.
      hls.on(Hls.Events.BUFFER_APPENDING, (_name, { data, frag }) => {
        hideSound(data, book.soundIdsOf(frag.initSegment?.relurl ?? ""));
      });
      super(hls, tracker);
    }
  }
  return { bufferController: Silencing };
}

function isFinal(status: number | null): boolean {
  return status !== null && status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
}
