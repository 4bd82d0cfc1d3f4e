/**
 * Plays one track in one `<video>`: seeks to class times and reports the frames that were really shown.
 *
 * It recovers by itself. A failed stream is replaced; an entry that fails again is given up and is from then on a blank of
 * the track like any other. Continuing without this view is the decision of `sync_group`.
 */

import Hls from "hls.js/light";
import { gettext } from "../i18n.ts";
import { type EntryFault, type Failure, HlsStream } from "./hls_stream.ts";
import { FrameClock, type ShownFrame } from "./master_clock.ts";
import { delayText, errorOfStatus, type PlayerError, playerError } from "./player_error.ts";
import { PlaylistState } from "./playlist_state.ts";
import {
  blankAt,
  classTimeAt,
  type Frame,
  fragmentAt,
  frameAt,
  type Gap,
  type Track,
  withoutFragment,
} from "./timeline.ts";

/** RFC 6381 names for the browser, if the timeline gives only the codec family. */
const FALLBACK_CODECS: Record<string, string> = { h264: "avc1.64001f", h265: "hvc1.1.6.L93.B0" };
const CODEC_NAMES: Record<string, string> = { h264: "H.264", h265: "H.265" };
const RETRY_ENTRY_MS = 1000;
/** Delay after the first failed request in a row, the second, ...; the last entry repeats. */
const RETRY_MS = [1000, 3000, 6000, 15_000] as const;
/** How many seeks one call of `show` makes. Each can meet another broken entry, which is given up after three failures. */
const MAX_TRIES = 5;
/** After this many failures an entry is given up, whatever their cause. */
const MAX_FAILURES = 4;
const SAME_PLACE_S = 0.002;
/** A browser stops playing when it has less than this buffered. */
const NEXT_S = 0.2;
/** A browser may present a frame without a frame callback: after this time a finished seek counts as shown. */
const SHOWN_GRACE_MS = 600;

export interface TrackPlayerEvents {
  shown(frame: ShownFrame, mediaS: number): void;
  /** Requests to the server fail, or succeed again (null). */
  error(error: PlayerError | null): void;
  /** The viewer may not watch the class any more. */
  refused(error: PlayerError): void;
  /** Returns whether the viewer may still watch the class; called when the server refused one fragment. */
  checkAuthorization(): Promise<boolean>;
  /** The video element has failed and needs a new stream. */
  broken(): void;
  /** A stretch of the track was given up. */
  lost(gap: Gap): void;
  /** A stretch of the track plays without audio, which is damaged or missing. */
  silenced(stretch: Gap): void;
  /** The server answered a playback request. */
  answered(): void;
}

/** A seek in progress. */
interface Seek {
  /** Takes a frame that was presented at `presentedMs`. */
  onFrame(frame: ShownFrame, presentedMs: number): void;
  end(isShown: boolean): void;
}

export class TrackPlayer {
  readonly frameClock = new FrameClock();
  firstPictureMs: number | null = null;
  private now: Track;
  private readonly playlist = new PlaylistState();
  private readonly failures = new Map<number, number>();
  /** An entry was given up and no frame was shown since. */
  private isFailing = false;
  private lastFault: EntryFault | null = null;
  /** Starts of entries to be played without audio, until that was reported. */
  private readonly unreported = new Set<number>();
  private stream: HlsStream | null = null;
  private seek: Seek | null = null;
  /** Counts seeks, so that an older one notices that it was superseded. */
  private seekCount = 0;
  private retryTimer = 0;
  private retries = 0;
  private frameCallback = 0;
  private closed = false;
  private currentError: PlayerError | null = null;
  /** It has played since its last seek: the frame it shows may be newer than the last one reported. */
  private hasPlayed = false;

  constructor(
    track: Track,
    readonly video: HTMLVideoElement,
    private readonly workerPath: string,
    private readonly events: TrackPlayerEvents,
  ) {
    this.now = track;
  }

  /** Returns why this browser cannot play the track, or null if it can. */
  static unsupportedReason(track: Track): string | null {
    if (!Hls.isSupported()) return gettext("This browser cannot play encrypted streams. Update it or use another one.");
    const codec = track.codecString || FALLBACK_CODECS[track.codec];
    if (codec === undefined || MediaSource.isTypeSupported(`video/mp4; codecs="${codec}"`)) return null;
    const name = CODEC_NAMES[track.codec] ?? track.codec;
    return gettext(
      "This browser cannot play %(codec)s. Safari can, and Chrome on a computer with a hardware decoder for it.",
      { codec: name },
    );
  }

  /** Returns the track without the fragments that were given up so far. */
  get track(): Track {
    return this.now;
  }

  /** Returns why requests fail, or null. */
  get error(): PlayerError | null {
    return this.currentError;
  }

  /** Returns, for the viewer, why it has no picture. */
  get statusText(): string {
    return this.currentError?.view ?? delayText(this.lastFault === "undecodable");
  }

  /** Returns the class time of the video element's clock. */
  get clockS(): number {
    return classTimeAt(this.now, this.video.currentTime);
  }

  /** Returns whether it can continue to play at once. */
  get ready(): boolean {
    const { readyState, ended, error } = this.video;
    return error === null && (readyState >= HTMLMediaElement.HAVE_FUTURE_DATA || ended);
  }

  /** Returns whether the current picture, or the one that follows, needs a new stream. */
  get broken(): boolean {
    const { stream, video } = this;
    if (stream === null || !stream.reaches(video.currentTime)) return true;
    if (this.ready) return false;
    const nextS = video.currentTime + NEXT_S;
    return fragmentAt(this.now, nextS) !== null && !stream.reaches(nextS);
  }

  /** Starts loading at `classS`, so that its picture is the first to appear. */
  open(classS: number): void {
    const frame = frameAt(this.now, classS) ?? this.firstFrame();
    if (frame !== null) this.openStream(frame.middleMediaS);
  }

  close(): void {
    this.closed = true;
    this.seekCount++;
    window.clearTimeout(this.retryTimer);
    this.stream?.close();
    this.stream = null;
    this.seek?.end(false);
    this.video.removeAttribute("src");
    this.video.load();
  }

  /**
   * Seeks to the picture of `classS` and resolves when it was shown; at once if it is shown already.
   *
   * @returns false if there is no such picture, or if a newer call has moved the view
   */
  async show(classS: number): Promise<boolean> {
    const seekCount = ++this.seekCount;
    this.seek?.end(false);
    for (let tries = 0; tries < MAX_TRIES && !this.closed; tries++) {
      const frame = frameAt(this.now, classS);
      if (frame === null) return false;
      if (this.isAt(frame)) return true;
      const shown = await this.seekTo(frame);
      if (seekCount !== this.seekCount) return false;
      if (shown) return true;
    }
    return false;
  }

  /** Seeks without waiting for the picture; within a blank, to the end of the blank. */
  jump(classS: number): void {
    const frame = frameAt(this.now, blankAt(this.now, classS)?.toS ?? classS);
    if (frame === null) return;
    this.seekCount++;
    this.seek?.end(false);
    this.seekMedia(frame.mediaS + Math.max(0, classS - frame.classS));
  }

  /** Returns whether `aheadS` seconds from `classS` on are loaded, or everything up to the next blank. */
  holds(classS: number, aheadS: number): boolean {
    const frame = frameAt(this.now, classS);
    if (frame === null || !this.stream?.reaches(frame.mediaS)) return false;
    const blank = this.now.blanks.find(({ fromS }) => fromS > classS);
    const untilS = Math.min(classS + aheadS, blank?.fromS ?? Infinity, this.lastS);
    return this.stream.holds(frame.mediaS, Math.max(0, untilS - classS - frame.durationS));
  }

  play(): Promise<void> {
    this.hasPlayed = true;
    return this.video.play();
  }

  setRate(rate: number): void {
    if (Math.abs(this.video.playbackRate - rate) > 0.0005) this.video.playbackRate = rate;
  }

  private get lastS(): number {
    const last = this.now.fragments.at(-1);
    return last === undefined ? 0 : last.classS + last.durationS;
  }

  /** Seeks in media time, with a new stream if the current one cannot play that position. */
  private seekMedia(mediaS: number): void {
    this.frameClock.clear();
    const { stream } = this;
    // The current stream would first wait until the retry of its failed request is due.
    const isWaiting = this.currentError !== null && !stream?.holds(mediaS, 0);
    if (stream === null || isWaiting || !stream.reaches(mediaS)) this.openStream(mediaS);
    this.video.currentTime = mediaS;
  }

  private openStream(mediaS: number): void {
    if (this.closed) return;
    window.clearTimeout(this.retryTimer);
    this.stream?.close();
    this.stream = new HlsStream(this.video, this.now.playlistUrl, this.playlist, mediaS, this.workerPath, {
      failed: (startS, failure) => void this.onFailed(startS, failure),
      unavailable: (status, isStopped) => this.onUnavailable(status, isStopped),
      refused: (status) => this.events.refused(errorOfStatus(status)),
      buffered: () => this.onBuffered(),
      answered: () => this.events.answered(),
    });
    this.watchFrames();
  }

  private isAt(frame: Frame): boolean {
    const { video } = this;
    if (this.hasPlayed || video.seeking || this.broken) return false;
    return Math.abs(video.currentTime - frame.middleMediaS) < SAME_PLACE_S && this.isShowing(frame);
  }

  /**
   * Resolves with true when the frame was shown, with false when the seek was interrupted.
   *
   * On a busy page frame callbacks arrive late: a frame that was presented before the seek does not count.
   */
  private seekTo(frame: Frame): Promise<boolean> {
    this.hasPlayed = false;
    const startedMs = performance.now();
    return new Promise((resolve) => {
      let isShown = false;
      const end = (shown: boolean): void => {
        this.video.removeEventListener("seeked", seeked);
        if (this.seek === seek) this.seek = null;
        resolve(shown);
      };
      const seeked = (): void => {
        if (isShown) end(true);
        else window.setTimeout(() => this.seek === seek && end(true), SHOWN_GRACE_MS);
      };
      const seek: Seek = {
        end,
        onFrame: (shown, presentedMs) => {
          // Three quarters of a frame: rounding stays below half, and the neighbouring frame is a whole one away.
          if (presentedMs < startedMs || Math.abs(shown.classS - frame.classS) >= frame.durationS * 0.75) return;
          isShown = true;
          if (!this.video.seeking) end(true);
        },
      };
      this.seek = seek;
      this.video.addEventListener("seeked", seeked);
      this.seekMedia(frame.middleMediaS);
    });
  }

  private async onFailed(startS: number, failure: Failure): Promise<void> {
    const { fault, final, dead, certain, silent, status } = failure;
    const { stream } = this;
    if (status !== null && !(await this.events.checkAuthorization())) return;
    if (this.closed || stream !== this.stream) return;
    const count = (this.failures.get(startS) ?? 0) + 1;
    this.failures.set(startS, count);
    this.lastFault = fault;
    const isHopeless = final || this.isFailing || count > 1;
    // Damaged audio must not cost the pictures: an entry is given up only if it also fails without its audio.
    const isAudioSuspect = !certain && (isHopeless || fault === "inaudible");
    const silenced = isAudioSuspect ? this.playlist.silence(startS, dead ? "damaged" : "missing") : [];
    for (const start of silenced) this.unreported.add(start);
    // A stream can report an entry twice: an append that buffered nothing, then the element's own error. The second
    // report still concerns the audio. It is counted, so that an entry that fails repeatedly is given up in the end.
    const isRepeated = isAudioSuspect && !silent && count < MAX_FAILURES && this.playlist.isSilentAt(startS);
    if (silenced.length === 0 && isHopeless && !isRepeated) this.giveUp(startS, fault);
    if (dead) {
      this.seek?.end(false);
      this.events.broken();
      return;
    }
    // Not synchronously: hls.js is still handling the failure.
    window.clearTimeout(this.retryTimer);
    this.retryTimer = window.setTimeout(() => stream?.resume(), isHopeless ? 0 : RETRY_ENTRY_MS);
  }

  /** Reports that an entry plays without audio, when its first frame is shown. */
  private reportSilenced(mediaS: number): void {
    const fragment = this.unreported.size > 0 ? fragmentAt(this.now, mediaS) : null;
    const startS = [...this.unreported].find((other) => fragment !== null && fragmentAt(this.now, other) === fragment);
    if (fragment === null || startS === undefined) return;
    this.unreported.delete(startS);
    const { classS, durationS } = fragment;
    const toS = this.playlist.isAudioDisabled ? this.lastS : classS + durationS;
    this.events.silenced({ fromS: classS, toS, reason: "inaudible", label: labelOf("inaudible") });
  }

  /** Turns the entry into a gap of the track. */
  private giveUp(startS: number, fault: EntryFault): void {
    const fragment = fragmentAt(this.now, startS);
    this.playlist.giveUp(startS);
    const [track, gap] = (fragment && withoutFragment(this.now, fragment.mediaS, fault, labelOf(fault))) ?? [];
    if (track === undefined || gap === undefined) return;
    this.isFailing = true;
    this.now = track;
    this.events.lost(gap);
    this.seek?.end(false);
  }

  /** Handles a failed request; retries with growing delays once hls.js has stopped. */
  private onUnavailable(status: number | null, isStopped: boolean): void {
    const isRefusal = status !== null && status < 500 && status !== 429;
    if (isRefusal) void this.events.checkAuthorization();
    this.setError(isRefusal ? playerError("server") : errorOfStatus(status));
    if (!isStopped) return;
    const { stream } = this;
    window.clearTimeout(this.retryTimer);
    this.retryTimer = window.setTimeout(() => stream?.resume(), RETRY_MS[this.retries] ?? RETRY_MS.at(-1));
    this.retries = Math.min(this.retries + 1, RETRY_MS.length - 1);
  }

  private onBuffered(): void {
    this.retries = 0;
    this.setError(null);
  }

  private setError(error: PlayerError | null): void {
    if (error?.kind === this.currentError?.kind) return;
    this.currentError = error;
    this.events.error(error);
  }

  private isShowing(frame: Frame): boolean {
    const last = this.frameClock.last;
    return last !== null && Math.abs(last.classS - frame.classS) < frame.durationS / 2;
  }

  private firstFrame(): Frame | null {
    const first = this.now.fragments[0];
    return first === undefined ? null : frameAt(this.now, first.classS);
  }

  /** Requests frame callbacks; again for each stream, because a new source may drop the pending request. */
  private watchFrames(): void {
    this.video.cancelVideoFrameCallback(this.frameCallback);
    const onFrame: VideoFrameRequestCallback = (_now, data) => {
      this.firstPictureMs ??= performance.now();
      this.isFailing = false;
      this.lastFault = null;
      this.reportSilenced(data.mediaTime);
      const shown = { classS: classTimeAt(this.now, data.mediaTime), atMs: data.expectedDisplayTime };
      this.frameClock.add(shown);
      this.seek?.onFrame(shown, data.presentationTime);
      this.events.shown(shown, data.mediaTime);
      this.frameCallback = this.video.requestVideoFrameCallback(onFrame);
    };
    this.frameCallback = this.video.requestVideoFrameCallback(onFrame);
  }
}

/** Returns a fault for viewers, like the labels of gaps that the server sends. */
function labelOf(fault: EntryFault): string {
  switch (fault) {
    case "undecodable":
      return gettext("recording damaged");
    case "inaudible":
      return gettext("sound missing or damaged");
    case "unavailable":
      return gettext("recording not available");
    case "unsupported":
      return gettext("format not supported by this browser");
  }
}
