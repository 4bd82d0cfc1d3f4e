/**
 * The master clock of a class, the class time that each view really shows, and the choice of the view the clock follows.
 * Pure: times come in as arguments; `sync_group` applies the results.
 *
 * The master clock counts class time and follows one view, the reference; `drift_control` keeps the others with it. The
 * frames that were presented (`requestVideoFrameCallback`) are the truth: `currentTime` can agree while the picture is one
 * frame late.
 */

/** A class time that advances with the wall clock at a rate, or is paused. */
export class MasterClock {
  private anchorS = 0;
  private anchorMs = 0;
  private isRunning = false;
  private chosenRate = 1;

  /** Returns the class time at `nowMs`. */
  at(nowMs: number): number {
    return this.isRunning ? this.anchorS + ((nowMs - this.anchorMs) / 1000) * this.chosenRate : this.anchorS;
  }

  get rate(): number {
    return this.chosenRate;
  }

  /** Pauses at `classS`. */
  pauseAt(classS: number): void {
    this.isRunning = false;
    this.anchorS = classS;
  }

  /** Runs from `classS`, which is the class time at `nowMs`. */
  runFrom(classS: number, nowMs: number): void {
    this.isRunning = true;
    this.anchorS = classS;
    this.anchorMs = nowMs;
  }

  /** Changes the rate from `nowMs` on. */
  setRate(rate: number, nowMs: number): void {
    // The time that passed at the old rate goes into the anchor first, or the new rate would apply to it as well.
    this.anchorS = this.at(nowMs);
    this.anchorMs = nowMs;
    this.chosenRate = rate;
  }
}

/** A frame that was presented: its class time, and when the display showed it. */
export interface ShownFrame {
  readonly classS: number;
  readonly atMs: number;
}

/**
 * Estimates the class time of a playing view from the last frames that it showed.
 *
 * A frame appears at the next refresh of the display, so a single reading is late by up to 17 ms at 60 Hz. The mean of
 * several readings has the same expected lateness in every view, which cancels when views are compared. Frames from before
 * a seek or a rate change must not enter the mean: call `clear`.
 */
export class FrameClock {
  private readonly frames: ShownFrame[] = [];

  constructor(
    private readonly maxFrames = 8,
    private readonly maxAgeMs = 1500,
  ) {}

  add(frame: ShownFrame): void {
    this.frames.push(frame);
    if (this.frames.length > this.maxFrames) this.frames.shift();
  }

  clear(): void {
    this.frames.length = 0;
  }

  /** Returns the newest frame, or null. */
  get last(): ShownFrame | null {
    return this.frames.at(-1) ?? null;
  }

  /** Returns the class time at `nowMs` for playback at `rate`, or null with fewer than three recent frames. */
  at(nowMs: number, rate: number): number | null {
    const recent = this.frames.filter((frame) => nowMs - frame.atMs < this.maxAgeMs);
    if (recent.length < 3) return null;
    // Each frame is extrapolated to `nowMs` on its own; the mean removes the jitter of the display's refresh.
    const sum = recent.reduce((total, frame) => total + frame.classS + ((nowMs - frame.atMs) / 1000) * rate, 0);
    return sum / recent.length;
  }
}

/** What the choice of the reference needs to know of one view. */
export interface ReferenceCandidate {
  readonly id: string;
  /** It has a picture at the master's time and plays. */
  readonly isPlaying: boolean;
  /** It is within tolerance of the master clock. */
  readonly isSettled: boolean;
  readonly isAudible: boolean;
  /** It is the large view. */
  readonly isLead: boolean;
}

/**
 * Returns the id of the view that the master clock follows, or null if the clock runs alone.
 *
 * The audible view comes first: drift control never changes the rate of the reference, so audio stays undistorted. Then
 * the lead view. A view that has just joined is not settled; if it were the reference, it would move the whole class.
 */
export function chooseReference(views: readonly ReferenceCandidate[]): string | null {
  const playing = views.filter((view) => view.isPlaying);
  const settled = playing.filter((view) => view.isSettled);
  const candidates = settled.length > 0 ? settled : playing;
  const chosen = candidates.find((view) => view.isAudible) ?? candidates.find((view) => view.isLead) ?? candidates[0];
  return chosen?.id ?? null;
}

/** Returns the spread in ms of class times that were read at one instant; null with fewer than two. */
export function skewMs(classTimesS: readonly number[]): number | null {
  if (classTimesS.length < 2) return null;
  return (Math.max(...classTimesS) - Math.min(...classTimesS)) * 1000;
}
