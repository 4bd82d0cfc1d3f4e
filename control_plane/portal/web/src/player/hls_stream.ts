/**
 * One hls.js instance that feeds one `<video>` from one start position, until it fails or is replaced.
 *
 * It maps the errors of hls.js and of the browser to a few failures, each with the playlist entry that caused it. It
 * makes no decisions: `track_player` counts the failures of an entry and gives it up.
 */
import Hls, { type ErrorData, type Fragment, type HlsConfig, type Loader, type LoaderCallbacks } from "hls.js/light";
import { areBoxesComplete, audioTrackIds, hideAudio, tracksOf } from "./mp4_boxes.ts";
import { entryAt, type PlaylistEntry, parsePlaylist, withGaps } from "./playlist.ts";
import { type PlaylistState, withoutAudio } from "./playlist_state.ts";

/** Why an entry does not play: its video, its audio, its bytes, or a format that this browser does not support. */
export type EntryFault = "undecodable" | "inaudible" | "unavailable" | "unsupported";

export interface Failure {
  readonly fault: EntryFault;
  /** Another attempt cannot help. */
  readonly final: boolean;
  /** The video element has failed and needs a new stream; otherwise loaded media still plays. */
  readonly dead: boolean;
  /** It is certain that more than the audio is at fault. */
  readonly certain: boolean;
  /** The stream played the entry without its audio, so the video is at fault. */
  readonly silent: boolean;
  /** The HTTP status, if the failure is an answer of the server. */
  readonly status: number | null;
}

export interface HlsStreamEvents {
  /** The entry that begins at `startS` cannot be played. */
  failed(startS: number, failure: Failure): void;
  /** A request failed; `isStopped`: hls.js does not retry any more. */
  unavailable(status: number | null, isStopped: boolean): void;
  /** The server refuses the viewer, not one entry. */
  refused(status: number): void;
  /** Media was appended to the video. */
  buffered(): void;
  /** The server answered a request for a key or a fragment. */
  answered(): void;
}

const SIGNED_OUT = 401;
/** Chromium's message for a packet that it cannot decode contains the packet's timestamp in µs. */
const ERROR_TIMESTAMP = /timestamp=(\d+)/;
/** Browser messages for audio or video that cannot be decoded. */
const AUDIO_FAILED = /audio (packet|sample|decode)/i;
const VIDEO_FAILED = /video (packet|sample|decode)/i;
/** Browser messages for bytes that cannot be parsed. */
const UNREADABLE = /APPEND|PARSE|DEMUXER/i;
/** How far a decoder may be ahead of the shown picture: closer to the end of an entry, the next one is suspected. */
const DECODES_AHEAD_S = 0.5;
/** A stream that has loaded nothing yet can still be sent this far from its start: its first loads cover that range. */
const SAME_START_S = 1;

export class HlsStream {
  /** It loads nothing more; loaded media still plays. */
  isStopped = false;
  /** The video element has failed. */
  isDead = false;
  private readonly hls: Hls;
  private tracks: string | undefined;
  /** It plays without audio, whatever the entries contain. */
  private readonly isSilent: boolean;
  /** The start of the entry that was appended last. */
  private appendingS: number | null = null;
  private hasBrokenAppend = false;
  private isClosed = false;
  private readonly onMediaError = (): void => this.onElementFailed();

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly playlistUrl: string,
    private readonly playlist: PlaylistState,
    private readonly startS: number,
    workerPath: string,
    private readonly events: HlsStreamEvents,
  ) {
    const entry = entryAt(playlist.entries, startS);
    this.tracks = entry === null ? undefined : playlist.tracksOf(entry);
    this.isSilent = entry !== null && playlist.isSilent(entry);
    const hls = new Hls({
      // In a secure context the browser's own crypto decrypts off this thread, and a worker only delays the first
      // picture. Over plain http hls.js decrypts by itself, which must not block the page.
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
      ...(this.isSilent ? audioHidingBuffer(playlist) : {}),
    });
    this.hls = hls;
    hls.on(Hls.Events.ERROR, (_name, data) => this.failed(data));
    hls.on(Hls.Events.BUFFER_APPENDING, (_name, { chunkMeta, data }) => {
      this.appendingS = this.startOf(chunkMeta);
      if (!areBoxesComplete(data)) this.stopAfterAppended(this.appendingS, true);
    });
    hls.on(Hls.Events.FRAG_BUFFERED, (_name, { frag }) => {
      const startS = this.startOf(frag);
      // hls.js marks an entry as a gap if it added nothing to the buffer, e.g. when declared audio is missing.
      if (startS !== null && (frag as { gap?: boolean }).gap) this.stopAfterAppended(startS, false);
      else this.events.buffered();
    });
    for (const event of [Hls.Events.KEY_LOADED, Hls.Events.FRAG_LOADED] as const)
      hls.on(event, () => this.events.answered());
    video.addEventListener("error", this.onMediaError);
    hls.loadSource(playlistUrl);
    hls.attachMedia(video);
  }

  /** Returns whether this stream can play `mediaS`: it has loaded it, or can still load it. */
  reaches(mediaS: number): boolean {
    if (this.isDead) return false;
    // Until something is loaded, a video element does not forward seeks to hls.js.
    if (this.video.readyState === 0 && Math.abs(mediaS - this.startS) > SAME_START_S) return false;
    const entry = entryAt(this.playlist.entries, mediaS);
    if (entry !== null && !this.playlist.isPlayable(entry, this.tracks)) return false;
    return !this.isStopped || this.holds(mediaS, 0);
  }

  /** Returns whether `mediaS` and the `aheadS` seconds after it are loaded. */
  holds(mediaS: number, aheadS: number): boolean {
    const { buffered } = this.video;
    for (let index = 0; index < buffered.length; index++) {
      if (buffered.start(index) <= mediaS && mediaS + aheadS <= buffered.end(index)) return true;
    }
    return false;
  }

  /** Resumes loading after a stop, without the entries that were given up meanwhile. */
  resume(): void {
    const here = entryAt(this.playlist.entries, this.video.currentTime);
    const isStuck = this.video.readyState === 0 && here !== null && !this.playlist.isPlayable(here, this.tracks);
    if (this.isClosed || this.isDead || this.hasBrokenAppend || isStuck) return;
    this.isStopped = false;
    const details = this.hls.levels[0]?.details;
    for (const fragment of details?.fragments ?? []) {
      const entry = this.playlist.entries[Number(fragment.sn)];
      if (entry === undefined || fragment.gap || this.playlist.isPlayable(entry, this.tracks)) continue;
      // The same effect as `EXT-X-GAP` in the playlist: hls.js requests neither its key nor its bytes again.
      fragment.gap = true;
      fragment.tagList.push(["GAP"]);
    }
    if (details === undefined) this.hls.loadSource(this.playlistUrl);
    else this.hls.startLoad(this.video.currentTime);
  }

  close(): void {
    this.isClosed = true;
    this.isDead = true;
    this.video.removeEventListener("error", this.onMediaError);
    this.hls.destroy();
  }

  private stop(): void {
    this.isStopped = true;
    this.hls.stopLoad();
  }

  /** Stops after a broken entry was appended: the browser would parse the next entry as the rest of it. */
  private stopAfterAppended(startS: number | null, certain: boolean): void {
    if (this.hasBrokenAppend || this.isDead) return;
    this.hasBrokenAppend = true;
    this.stop();
    this.report(startS, "undecodable", { final: true, certain });
  }

  private failed(data: ErrorData): void {
    const { ErrorDetails, ErrorTypes } = Hls;
    // Requests are aborted by this class, on purpose.
    if (this.isClosed || data.details === ErrorDetails.INTERNAL_ABORTED) return;
    const status = data.response?.code || null;
    if (status === SIGNED_OUT) {
      this.stop();
      this.events.refused(status);
      return;
    }
    const startS = this.startOf(data.frag);
    if (data.type === ErrorTypes.NETWORK_ERROR) {
      if (data.fatal) this.isStopped = true;
      if (startS !== null && isFinal(status)) {
        this.stop();
        this.report(startS, "unavailable", { status, certain: true });
      } else if (data.details !== ErrorDetails.FRAG_GAP) {
        this.events.unavailable(status, this.isStopped);
      }
      return;
    }
    switch (data.details) {
      case ErrorDetails.FRAG_DECRYPT_ERROR:
        this.stop();
        this.report(startS, "undecodable", { final: true, certain: true });
        return;
      case ErrorDetails.FRAG_PARSING_ERROR:
        if (data.fatal) this.isStopped = true;
        this.report(startS, "undecodable", { final: true, certain: true });
        return;
      case ErrorDetails.BUFFER_ADD_CODEC_ERROR:
      case ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR:
      case ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR:
        this.isDead = true;
        this.report(startS, "unsupported", { final: true });
        return;
    }
    if (!data.fatal && data.details !== ErrorDetails.MEDIA_SOURCE_REQUIRES_RESET) return;
    this.appendingS = startS ?? this.appendingS;
    this.onElementFailed();
  }

  /** Handles a failed video element or media source. The browser may set the error message only after the event. */
  private onElementFailed(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.hls.stopLoad();
    window.setTimeout(() => {
      if (!this.isClosed) this.attributeFailure(this.video.error?.message ?? "");
    });
  }

  /** Finds the entry that the video element failed at, from the browser's message. */
  private attributeFailure(message: string): void {
    const timestampUs = ERROR_TIMESTAMP.exec(message)?.[1];
    const certain = VIDEO_FAILED.test(message);
    const fault = AUDIO_FAILED.test(message) ? "inaudible" : "undecodable";
    const isUnreadable = message === "" || UNREADABLE.test(message);
    if (timestampUs === undefined && isUnreadable && this.appendingS !== null) {
      this.report(this.appendingS, fault, { final: true, certain });
      return;
    }
    const atS = timestampUs === undefined ? this.video.currentTime : Number(timestampUs) / 1e6;
    this.report(timestampUs === undefined ? this.likelyEntryS(atS) : this.entryStartS(atS), fault, { certain });
  }

  /** Reports a failure of the entry at `startS`; null: of the one that plays now. */
  private report(startS: number | null, fault: EntryFault, how: Partial<Failure>): void {
    const placeS = startS ?? this.entryStartS(this.video.currentTime);
    const silent = this.isSilent;
    this.events.failed(placeS, {
      fault,
      final: false,
      certain: false,
      status: null,
      ...how,
      silent,
      dead: this.isDead,
    });
  }

  private entryStartS(mediaS: number): number {
    return entryAt(this.playlist.entries, mediaS)?.startS ?? mediaS;
  }

  /** Returns the start of the entry that most likely failed while the frame at `shownS` was shown. */
  private likelyEntryS(shownS: number): number {
    const entry = entryAt(this.playlist.entries, shownS);
    if (entry === null) return shownS;
    const next = this.playlist.entries[entry.index + 1];
    const isNearEnd = entry.startS + entry.durationS - shownS < DECODES_AHEAD_S;
    return isNearEnd && next !== undefined && this.playlist.isPlayable(next, this.tracks) ? next.startS : entry.startS;
  }

  /** Returns where a fragment of hls.js begins in the playlist; null for an init section, which many entries share. */
  private startOf(fragment: { readonly sn: number | string } | undefined): number | null {
    return this.playlist.entries[Number(fragment?.sn)]?.startS ?? null;
  }

  /** Returns a playlist loader that turns entries that this stream cannot play into gaps. */
  private playlistLoader(): NonNullable<HlsConfig["pLoader"]> {
    const { playlist } = this;
    const isSkipped = (entry: PlaylistEntry): boolean => !playlist.isPlayable(entry, this.tracks);
    return transformingLoader((data) => {
      if (typeof data !== "string") return data;
      playlist.entries = parsePlaylist(data);
      return withGaps(data, isSkipped);
    }) as NonNullable<HlsConfig["pLoader"]>;
  }

  /**
   * Returns a fragment loader that stops at an init section with other tracks than the first: a media source cannot
   * change the tracks that it began with.
   */
  private fragmentLoader(): NonNullable<HlsConfig["fLoader"]> {
    return transformingLoader((data, context) => {
      const { frag } = context as { frag?: Fragment };
      if (frag?.sn !== "initSegment" || !(data instanceof ArrayBuffer)) return data;
      const init = new Uint8Array(data);
      const audioIds = audioTrackIds(init);
      this.playlist.setInit(frag.relurl ?? "", tracksOf(init), audioIds);
      if (this.isSilent) hideAudio(init, audioIds);
      const tracks = this.isSilent ? withoutAudio(tracksOf(init)) : tracksOf(init);
      this.tracks ??= tracks;
      if (tracks === this.tracks) return data;
      this.stop();
      return null;
    }) as NonNullable<HlsConfig["fLoader"]>;
  }
}

/** Returns hls.js's loader with transformed responses; a response that becomes null is never delivered. */
function transformingLoader(change: (data: unknown, context: unknown) => unknown): HlsConfig["loader"] {
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
 * hls.js's error controller without the recovery of a failed media source.
 *
 * hls.js attaches a new media source before other listeners learn of the failure. That clears the element's error, which
 * is the only hint to the entry that failed; and a new stream replaces the whole instance anyway.
 */
class PassiveErrorController extends Hls.DefaultConfig.errorController {
  override onErrorOut(
    ...[event, data]: Parameters<InstanceType<typeof Hls.DefaultConfig.errorController>["onErrorOut"]>
  ): void {
    if (data.details !== Hls.ErrorDetails.MEDIA_SOURCE_REQUIRES_RESET) super.onErrorOut(event, data);
  }
}

/** Returns hls.js's buffer controller, extended to hide the audio of each fragment before it is appended. */
function audioHidingBuffer(playlist: PlaylistState): Partial<HlsConfig> {
  const Base = Hls.DefaultConfig.bufferController as NonNullable<HlsConfig["bufferController"]>;
  class AudioHidingBufferController extends Base {
    constructor(...[hls, tracker]: ConstructorParameters<typeof Base>) {
      // Registered before the controller's own listener, so that it appends the changed bytes.
      hls.on(Hls.Events.BUFFER_APPENDING, (_name, { data, frag }) => {
        hideAudio(data, playlist.audioIdsOf(frag.initSegment?.relurl ?? ""));
      });
      super(hls, tracker);
    }
  }
  return { bufferController: AudioHidingBufferController };
}

function isFinal(status: number | null): boolean {
  return status !== null && status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
}
