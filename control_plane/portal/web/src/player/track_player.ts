/**
 * One view: a `<video>` fed with one track. It shows a class time, and says which pictures it has really shown.
 *
 * It keeps the view alive. A stream that fails is replaced; a piece that fails again is given up, and from then on a
 * blank of the track like any other. What it cannot do is left to the ensemble: to go on without this view.
 */
import Hls from "hls.js/light";
import { type Failure, type PieceFault, Stream } from "./hls_stream.ts";
import { Reading, type Shown } from "./master_clock.ts";
import { DAMAGE_FOUND, NO_TROUBLE_KNOWN, type Trouble, trouble, troubleOfStatus } from "./player_error.ts";
import { PieceBook } from "./playlist_state.ts";
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

/** RFC 6381 names to ask the browser with, where the timeline gives only the family. */
const PROBES: Record<string, string> = { h264: "avc1.64001f", h265: "hvc1.1.6.L93.B0" };
const CODEC_NAMES: Record<string, string> = { h264: "H.264", h265: "H.265" };
/** In words for a viewer, as the labels of the control plane's reasons are. */
const LABELS: Record<PieceFault, string> = {
  undecodable: "recording damaged",
  inaudible: "sound missing or damaged",
  unavailable: "recording not available",
  unsupported: "format this browser cannot play",
};
const RETRY_PIECE_MS = 1000;
/** After the first failure in a row of the server, the second, and all later ones. */
const RETRY_MS = [1000, 3000, 6000, 15_000] as const;
/** How often one call of `show` starts the stream anew. A piece is given up after three failures. */
const MOST_TRIES = 5;
/** After so many failures a piece is given up, whatever they were. */
const MOST_FAILURES = 4;
const SAME_PLACE_S = 0.002;
/** A browser that has less than this to play has nothing to play. */
const NEXT_S = 0.2;
/** A browser may show a seeked picture without telling; after this long a finished seek counts as shown. */
const SHOWN_GRACE_MS = 600;

export interface ScreenEvents {
  shown(shown: Shown, mediaS: number): void;
  /** The server or the network does not deliver (null: it does again). */
  trouble(trouble: Trouble | null): void;
  /** The viewer may see no more of the class. */
  refused(trouble: Trouble): void;
  /** Returns whether the viewer may still watch the class, where the server has refused one piece of it. */
  permitted(): Promise<boolean>;
  /** The video element has failed: it needs a new stream to show anything. */
  broken(): void;
  /** A stretch of the track was given up. */
  lost(gap: Gap): void;
  /** A stretch of the track plays without its sound, which is damaged. */
  silenced(stretch: Gap): void;
  /** The control plane has given something of the class. */
  answered(): void;
}

/** A seek on its way. */
interface Seek {
  look(shown: Shown, presentedMs: number): void;
  end(shown: boolean): void;
}

export class Screen {
  readonly reading = new Reading();
  firstPictureMs: number | null = null;
  private now: Track;
  private readonly book = new PieceBook();
  private readonly failures = new Map<number, number>();
  /** A piece was given up, and no picture has been shown since. */
  private failing = false;
  private lastFault: PieceFault | null = null;
  /** Where the pieces begin that are to be played without their sound, until that is told. */
  private readonly silenced = new Set<number>();
  private stream: Stream | null = null;
  private seek: Seek | null = null;
  private wish = 0;
  private retry = 0;
  private retries = 0;
  private callback = 0;
  private closed = false;
  private current: Trouble | null = null;
  /** It has played since it was last put on a picture: what it shows may be ahead of what it has told. */
  private hasPlayed = false;

  constructor(
    track: Track,
    readonly video: HTMLVideoElement,
    private readonly workerPath: string,
    private readonly events: ScreenEvents,
  ) {
    this.now = track;
  }

  /** Returns why this browser cannot play the track, or null where it can. */
  static refusal(track: Track): string | null {
    if (!Hls.isSupported()) return "This browser cannot play encrypted streams. Use a current one.";
    const probe = track.codecString || PROBES[track.codec];
    if (probe === undefined || MediaSource.isTypeSupported(`video/mp4; codecs="${probe}"`)) return null;
    const name = CODEC_NAMES[track.codec] ?? track.codec;
    return `This browser cannot play ${name}. Safari, or Chrome on a computer with ${name} in hardware, can.`;
  }

  /** Returns the track without what was given up so far. */
  get track(): Track {
    return this.now;
  }

  /** Returns what keeps the server from delivering, or null. */
  get trouble(): Trouble | null {
    return this.current;
  }

  /** Returns in words why it has no picture where it should have one. */
  get complaint(): string {
    return this.current?.view ?? (this.lastFault === "undecodable" ? DAMAGE_FOUND : NO_TROUBLE_KNOWN);
  }

  /** Returns the class time on its own clock now. */
  get clockS(): number {
    return classTimeAt(this.now, this.video.currentTime);
  }

  /** Returns true where it can play on at once. */
  get ready(): boolean {
    const { readyState, ended, error } = this.video;
    return error === null && (readyState >= HTMLMediaElement.HAVE_FUTURE_DATA || ended);
  }

  /** Returns true where the pictures of its place, or the very next ones, cannot come without a new stream. */
  get broken(): boolean {
    const { stream, video } = this;
    if (stream === null || !stream.reaches(video.currentTime)) return true;
    if (this.ready) return false;
    const nextS = video.currentTime + NEXT_S;
    return fragmentAt(this.now, nextS) !== null && !stream.reaches(nextS);
  }

  /** Starts loading, so that the picture of `classS` is the first to appear. */
  open(classS: number): void {
    const frame = frameAt(this.now, classS) ?? this.firstFrame();
    if (frame !== null) this.reopen(frame.middleMediaS);
  }

  close(): void {
    this.closed = true;
    this.wish++;
    window.clearTimeout(this.retry);
    this.stream?.close();
    this.stream = null;
    this.seek?.end(false);
    this.video.removeAttribute("src");
    this.video.load();
  }

  /**
   * Seeks to the picture of `classS` and resolves when it has been shown; at once where it stands there.
   *
   * @returns false where there is no such picture, or where a newer call has taken the view elsewhere
   */
  async show(classS: number): Promise<boolean> {
    const wish = ++this.wish;
    this.seek?.end(false);
    for (let tries = 0; tries < MOST_TRIES && !this.closed; tries++) {
      const frame = frameAt(this.now, classS);
      if (frame === null) return false;
      if (this.standsOn(frame)) return true;
      const shown = await this.seekTo(frame);
      if (wish !== this.wish) return false;
      if (shown) return true;
    }
    return false;
  }

  /** Jumps while playing, without waiting; where the track is blank to the end of the blank. */
  jump(classS: number): void {
    const frame = frameAt(this.now, blankAt(this.now, classS)?.toS ?? classS);
    if (frame === null) return;
    this.wish++;
    this.seek?.end(false);
    this.place(frame.mediaS + Math.max(0, classS - frame.classS));
  }

  /** Returns whether the pictures of `aheadS` seconds from `classS` on are loaded, or all up to the next blank. */
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

  /** Goes to a place in media time, with a new stream where the present one cannot reach it. */
  private place(mediaS: number): void {
    this.reading.clear();
    const { stream } = this;
    // hls.js would wait until its next try at the old place is due.
    const isWaiting = this.current !== null && !stream?.holds(mediaS, 0);
    if (stream === null || isWaiting || !stream.reaches(mediaS)) this.reopen(mediaS);
    this.video.currentTime = mediaS;
  }

  private reopen(mediaS: number): void {
    if (this.closed) return;
    window.clearTimeout(this.retry);
    this.stream?.close();
    this.stream = new Stream(this.video, this.now.playlistUrl, this.book, mediaS, this.workerPath, {
      failed: (startS, failure) => void this.failed(startS, failure),
      busy: (status, stopped) => this.busy(status, stopped),
      refused: (status) => this.events.refused(troubleOfStatus(status)),
      buffered: () => this.delivered(),
      answered: () => this.events.answered(),
    });
    this.watchPictures();
  }

  private standsOn(frame: Frame): boolean {
    const { video } = this;
    if (this.hasPlayed || video.seeking || this.broken) return false;
    return Math.abs(video.currentTime - frame.middleMediaS) < SAME_PLACE_S && this.isShowing(frame);
  }

  /**
   * Resolves with true when the picture was shown, with false when something came between.
   *
   * A busy page hears late of pictures: what was presented before it asked says nothing of what is shown now.
   */
  private seekTo(frame: Frame): Promise<boolean> {
    this.hasPlayed = false;
    const askedMs = performance.now();
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
        look: (picture, presentedMs) => {
          if (presentedMs < askedMs || Math.abs(picture.classS - frame.classS) >= frame.durationS * 0.75) return;
          isShown = true;
          if (!this.video.seeking) end(true);
        },
      };
      this.seek = seek;
      this.video.addEventListener("seeked", seeked);
      this.place(frame.middleMediaS);
    });
  }

  private async failed(startS: number, failure: Failure): Promise<void> {
    const { fault, final, dead, certain, silent, status } = failure;
    const { stream } = this;
    if (status !== null && !(await this.events.permitted())) return;
    if (this.closed || stream !== this.stream) return;
    const count = (this.failures.get(startS) ?? 0) + 1;
    this.failures.set(startS, count);
    this.lastFault = fault;
    const isOut = final || this.failing || count > 1;
    // Sound never takes its pictures with it: they are given up only where they fail without it, too.
    const isSuspect = !certain && (isOut || fault === "inaudible");
    const silenced = isSuspect ? this.book.silence(startS, dead ? "damaged" : "missing") : [];
    for (const start of silenced) this.silenced.add(start);
    // One stream can report a piece twice: an append that buffered nothing, then the element's own error. The second
    // report still concerns the sound. It counts, so that a piece that is blamed again and again is given up in the end.
    const isKnown = isSuspect && !silent && count < MOST_FAILURES && this.book.isSilentAt(startS);
    if (silenced.length === 0 && isOut && !isKnown) this.lose(startS, fault);
    if (dead) {
      this.seek?.end(false);
      this.events.broken();
      return;
    }
    // Never at once: hls.js is still in the middle of what failed.
    window.clearTimeout(this.retry);
    this.retry = window.setTimeout(() => stream?.resume(), isOut ? 0 : RETRY_PIECE_MS);
  }

  /** Tells that a piece plays without its sound, once it does. */
  private tellSilenced(mediaS: number): void {
    const fragment = this.silenced.size > 0 ? fragmentAt(this.now, mediaS) : null;
    const startS = [...this.silenced].find((other) => fragment !== null && fragmentAt(this.now, other) === fragment);
    if (fragment === null || startS === undefined) return;
    this.silenced.delete(startS);
    const { classS, durationS } = fragment;
    const toS = this.book.isAllSilent ? this.lastS : classS + durationS;
    this.events.silenced({ fromS: classS, toS, reason: "inaudible", label: LABELS.inaudible });
  }

  private lose(startS: number, fault: PieceFault): void {
    const fragment = fragmentAt(this.now, startS);
    this.book.lose(startS);
    const [track, gap] = (fragment && withoutFragment(this.now, fragment.mediaS, fault, LABELS[fault])) ?? [];
    if (track === undefined || gap === undefined) return;
    this.failing = true;
    this.now = track;
    this.events.lost(gap);
    this.seek?.end(false);
  }

  /** The server does not deliver: tries again, ever more slowly. */
  private busy(status: number | null, stopped: boolean): void {
    const isRefusal = status !== null && status < 500 && status !== 429;
    if (isRefusal) void this.events.permitted();
    this.tell(isRefusal ? trouble("server") : troubleOfStatus(status));
    if (!stopped) return;
    const { stream } = this;
    window.clearTimeout(this.retry);
    this.retry = window.setTimeout(() => stream?.resume(), RETRY_MS[this.retries] ?? RETRY_MS.at(-1));
    this.retries = Math.min(this.retries + 1, RETRY_MS.length - 1);
  }

  private delivered(): void {
    this.retries = 0;
    this.tell(null);
  }

  private tell(now: Trouble | null): void {
    if (now?.kind === this.current?.kind) return;
    this.current = now;
    this.events.trouble(now);
  }

  private isShowing(frame: Frame): boolean {
    const last = this.reading.last;
    return last !== null && Math.abs(last.classS - frame.classS) < frame.durationS / 2;
  }

  private firstFrame(): Frame | null {
    const first = this.now.fragments[0];
    return first === undefined ? null : frameAt(this.now, first.classS);
  }

  /** Asks anew after each change of the stream: a browser may drop the request with the element's source. */
  private watchPictures(): void {
    this.video.cancelVideoFrameCallback(this.callback);
    const onPicture: VideoFrameRequestCallback = (_now, data) => {
      this.firstPictureMs ??= performance.now();
      this.failing = false;
      this.lastFault = null;
      this.tellSilenced(data.mediaTime);
      const shown = { classS: classTimeAt(this.now, data.mediaTime), atMs: data.expectedDisplayTime };
      this.reading.add(shown);
      this.seek?.look(shown, data.presentationTime);
      this.events.shown(shown, data.mediaTime);
      this.callback = this.video.requestVideoFrameCallback(onPicture);
    };
    this.callback = this.video.requestVideoFrameCallback(onPicture);
  }
}
