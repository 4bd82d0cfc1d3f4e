/**
 * One view: a `<video>` fed by hls.js with one track. It shows a class time, says which pictures it has really shown,
 * and reports trouble; it decides nothing.
 */
import Hls from "hls.js/light";

import { Reading, type Shown } from "./conductor.ts";
import { classTimeAt, frameAt, type Frame, type Track } from "./timeline.ts";
import { trouble, troubleOfStatus, type Trouble } from "./trouble.ts";

/** RFC 6381 names to ask the browser with, where the timeline gives only the family. */
const PROBES: Record<string, string> = { h264: "avc1.64001f", h265: "hvc1.1.6.L93.B0" };
const CODEC_NAMES: Record<string, string> = { h264: "H.264", h265: "H.265" };
const RETRY_MS = 3000;
const REFUSALS = new Set([401, 403, 404, 410]);
const SAME_PLACE_S = 0.002;
/** A browser may show a seeked picture without telling; after this long a finished seek counts as shown. */
const SHOWN_GRACE_MS = 600;

export interface ScreenEvents {
  shown(shown: Shown, mediaS: number): void;
  trouble(trouble: Trouble): void;
  recovered(): void;
  /** The control plane has given something of the class. */
  answered(): void;
}

export class Screen {
  readonly reading = new Reading();
  firstPictureMs: number | null = null;
  private hls: Hls | null = null;
  private waiting: ((shown: Shown, presentedMs: number) => void)[] = [];
  private retry = 0;
  private inTrouble = false;
  /** It has played since it was last put on a picture: what it shows may be ahead of what it has told. */
  private hasPlayed = false;

  constructor(
    readonly track: Track,
    readonly video: HTMLVideoElement,
    private readonly workerPath: string,
    private readonly events: ScreenEvents,
  ) {
    this.watchPictures();
  }

  /** Returns why this browser cannot play the track, or null where it can. */
  static refusal(track: Track): string | null {
    if (!Hls.isSupported()) return "This browser cannot play encrypted streams. Use a current one.";
    const probe = track.codecString || PROBES[track.codec];
    if (probe === undefined || MediaSource.isTypeSupported(`video/mp4; codecs="${probe}"`)) return null;
    const name = CODEC_NAMES[track.codec] ?? track.codec;
    return `This browser cannot play ${name}. Safari, or Chrome on a computer with ${name} in hardware, can.`;
  }

  /** Starts loading, so that the picture of `classS` is the first to appear. */
  open(classS: number): void {
    const frame = frameAt(this.track, classS) ?? this.firstFrame();
    const hls = new Hls({
      // Where the browser decrypts by itself (off this thread), a worker only delays the first picture; over plain
      // http it does not, and hls.js's own decryption must not hold up the page.
      enableWorker: !window.isSecureContext,
      workerPath: this.workerPath,
      startPosition: frame?.middleMediaS ?? 0,
      startFragPrefetch: true,
      maxBufferLength: 20,
      maxMaxBufferLength: 60,
      backBufferLength: 40,
      maxBufferHole: 0.05,
      nudgeOnVideoHole: false,
      fragLoadPolicy: { default: { ...Hls.DefaultConfig.fragLoadPolicy.default, maxTimeToFirstByteMs: 15_000 } },
    });
    this.hls = hls;
    hls.on(Hls.Events.ERROR, (_name, data) => {
      const status = data.response?.code ?? null;
      if (status !== null && REFUSALS.has(status)) {
        // A right that was taken away does not come back by asking again.
        hls.stopLoad();
        this.events.trouble(troubleOfStatus(status));
        return;
      }
      if (!data.fatal) return;
      if (data.type === Hls.ErrorTypes.MEDIA_ERROR) {
        this.inTrouble = true;
        this.events.trouble(trouble("media"));
        return;
      }
      const problem = troubleOfStatus(status);
      this.inTrouble = true;
      this.events.trouble(problem);
      if (problem.retried) this.retryLater(data.details === Hls.ErrorDetails.MANIFEST_LOAD_ERROR);
    });
    hls.on(Hls.Events.FRAG_BUFFERED, () => {
      if (!this.inTrouble) return;
      this.inTrouble = false;
      this.events.recovered();
    });
    for (const event of [Hls.Events.KEY_LOADED, Hls.Events.FRAG_LOADED] as const) hls.on(event, () => this.events.answered());
    hls.loadSource(this.track.playlistUrl);
    hls.attachMedia(this.video);
  }

  close(): void {
    window.clearTimeout(this.retry);
    this.hls?.destroy();
    this.hls = null;
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** Returns the class time on its own clock now. */
  get clockS(): number {
    return classTimeAt(this.track, this.video.currentTime);
  }

  /** Returns true where it can play on at once. */
  get ready(): boolean {
    return this.video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA || this.video.ended;
  }

  /** Seeks to the picture of `classS` and resolves when it has been shown; at once where it stands there. */
  async show(classS: number): Promise<void> {
    const frame = frameAt(this.track, classS);
    if (frame === null) return;
    if (!this.hasPlayed && !this.video.seeking && Math.abs(this.video.currentTime - frame.middleMediaS) < SAME_PLACE_S) {
      if (this.isShowing(frame)) return;
    }
    this.hasPlayed = false;
    this.reading.clear();
    const shown = this.nextShown((picture) => Math.abs(picture.classS - frame.classS) < frame.durationS * 0.75);
    this.video.currentTime = frame.middleMediaS;
    await shown;
    if (this.video.seeking) await once(this.video, "seeked");
  }

  /** Jumps while playing, without waiting. */
  jump(classS: number): void {
    const frame = frameAt(this.track, classS);
    if (frame === null) return;
    this.reading.clear();
    this.video.currentTime = frame.mediaS + (classS - frame.classS);
  }

  play(): Promise<void> {
    this.hasPlayed = true;
    return this.video.play();
  }

  /** Resolves when it can play on at once. */
  async untilReady(): Promise<void> {
    while (!this.ready) {
      await new Promise<void>((resolve) => {
        const events = ["canplay", "canplaythrough", "playing", "ended"];
        const done = (): void => {
          window.clearTimeout(timer);
          for (const name of events) this.video.removeEventListener(name, done);
          resolve();
        };
        const timer = window.setTimeout(done, 250);
        for (const name of events) this.video.addEventListener(name, done);
      });
    }
  }

  setRate(rate: number): void {
    if (Math.abs(this.video.playbackRate - rate) > 0.0005) this.video.playbackRate = rate;
  }

  private isShowing(frame: Frame): boolean {
    const last = this.reading.last;
    return last !== null && Math.abs(last.classS - frame.classS) < frame.durationS / 2;
  }

  private firstFrame(): Frame | null {
    const first = this.track.fragments[0];
    return first === undefined ? null : frameAt(this.track, first.classS);
  }

  /** A busy page hears late of pictures: what was presented before it asked says nothing of what is shown now. */
  private nextShown(matches: (shown: Shown) => boolean): Promise<void> {
    const askedMs = performance.now();
    return new Promise((resolve) => {
      const done = (): void => {
        this.video.removeEventListener("seeked", seeked);
        this.waiting = this.waiting.filter((other) => other !== look);
        resolve();
      };
      const look = (shown: Shown, presentedMs: number): void => {
        if (presentedMs >= askedMs && matches(shown)) done();
      };
      const seeked = (): void => {
        window.setTimeout(done, SHOWN_GRACE_MS);
      };
      this.waiting.push(look);
      this.video.addEventListener("seeked", seeked);
    });
  }

  private watchPictures(): void {
    const onPicture: VideoFrameRequestCallback = (_now, data) => {
      this.firstPictureMs ??= performance.now();
      const shown = { classS: classTimeAt(this.track, data.mediaTime), atMs: data.expectedDisplayTime };
      this.reading.add(shown);
      for (const look of [...this.waiting]) look(shown, data.presentationTime);
      this.events.shown(shown, data.mediaTime);
      this.video.requestVideoFrameCallback(onPicture);
    };
    this.video.requestVideoFrameCallback(onPicture);
  }

  private retryLater(fromTheStart: boolean): void {
    window.clearTimeout(this.retry);
    this.retry = window.setTimeout(() => {
      if (fromTheStart) this.hls?.loadSource(this.track.playlistUrl);
      else this.hls?.startLoad();
    }, RETRY_MS);
  }
}

function once(target: EventTarget, name: string): Promise<void> {
  return new Promise((resolve) => target.addEventListener(name, () => resolve(), { once: true }));
}
