/**
 * Keeps one view at the master's class time. Pure: errors and the time come in, a playback rate comes out.
 *
 * Media clocks of a browser hardly drift, but each change of `playbackRate` costs a fixed delay (about 25 ms in Chromium,
 * whatever the size of the change), so a proportional controller that adjusts the rate all the time never settles.
 * Corrections are therefore pulses: one temporary rate change, long enough to remove the error, then the chosen rate, a
 * rest, and a measurement of the result. The fixed cost of a pulse is learned from the difference to the expected result.
 *
 * `currentTime` is the precise measurement; the frames that were presented decide. If the clocks agree while the presented
 * frame is still a different one, the view's target is moved by fractions of a frame until the right frame appears.
 */

/** With a larger error the view seeks: a pulse would take too long. */
export const SEEK_OVER_S = 0.3;
/** A smaller error is not corrected: a pulse would cost more. */
export const HOLD_UNDER_S = 0.008;
/** Largest relative rate change of a settled view; a larger one is audible. */
export const MAX_RATE_CHANGE = 0.1;
/** The same for a view that has just started or rejoined: a short fast stretch is better than a long offset. */
export const MAX_RATE_CHANGE_JOINING = 0.35;

/** Shortest pulse. Shorter ones end before the browser applies them evenly. */
const PULSE_S = 0.4;
const REST_MS = 350;
const REST_AFTER_SEEK_MS = 1200;
/** How many errors are measured before a decision; their median ignores a single late tick. */
const SAMPLES = 3;
/** After this many wrong frames in a row the target is moved. */
const WRONG_FRAMES_BEFORE_OFFSET = 6;
/** After this many the view no longer counts as settled. */
const WRONG_FRAMES_UNSETTLED = 2;
/** A frame counts as wrong from this error on, in frames: half a frame is rounding. */
const WRONG_FRAME_FRACTION = 0.6;
const OFFSET_STEP_FRAMES = 0.3;
const MAX_OFFSET_FRAMES = 0.6;
/** How much of a measured difference changes the learned cost. */
const LEARNING_RATE = 0.7;
const MAX_COST_S = 0.08;

export interface DriftCorrection {
  readonly rate: number;
  readonly seek: boolean;
  /** The view is within tolerance. */
  readonly isSettled: boolean;
}

/** The fixed delay of a pulse, in seconds of class time; shared by all views of a browser. */
export class RateChangeCost {
  constructor(public costS = 0) {}

  /** Learns from a pulse that fell short of its expected result by `shortfallS`. */
  learn(shortfallS: number): void {
    this.costS = Math.min(Math.max(this.costS + shortfallS * LEARNING_RATE, -MAX_COST_S), MAX_COST_S);
  }
}

type Phase =
  | { readonly name: "measure" }
  | { readonly name: "pulse"; readonly rateChange: number; readonly untilMs: number }
  | { readonly name: "rest"; readonly untilMs: number };

export class DriftControl {
  private phase: Phase = { name: "measure" };
  private errorsS: number[] = [];
  private wrongFrames = 0;
  /** How far the view's target lies off the master's time, so that the right frame is presented. */
  private offsetS = 0;
  private isSettled = false;
  /** The error that the last pulse should have led to; null once it was compared. */
  private expectedErrorS: number | null = null;

  constructor(private readonly cost: RateChangeCost) {}

  /** Starts over after a start, a seek or a rate change; keeps the learned cost. */
  reset(nowMs: number, restMs = 0): void {
    this.phase = restMs > 0 ? { name: "rest", untilMs: nowMs + restMs } : { name: "measure" };
    this.errorsS = [];
    this.wrongFrames = 0;
    this.offsetS = 0;
    this.isSettled = false;
    this.expectedErrorS = null;
  }

  /**
   * Returns the correction to apply now; called about ten times a second.
   *
   * @param clockErrorS the view's clock minus the master clock, in seconds of class time
   * @param frameErrorS the same from presented frames; null with too few of them
   * @param frameS duration of a frame, in seconds
   * @param rate the rate that the viewer chose
   */
  update(
    nowMs: number,
    clockErrorS: number,
    frameErrorS: number | null,
    frameS: number,
    rate: number,
  ): DriftCorrection {
    if (this.phase.name === "pulse") {
      if (nowMs < this.phase.untilMs) return this.at(rate * (1 + this.phase.rateChange));
      this.phase = { name: "rest", untilMs: nowMs + REST_MS };
      this.errorsS = [];
      return this.at(rate);
    }
    if (this.phase.name === "rest") {
      if (nowMs < this.phase.untilMs) return this.at(rate);
      this.phase = { name: "measure" };
    }
    this.errorsS.push(clockErrorS);
    if (this.errorsS.length < SAMPLES) return this.at(rate);
    if (this.errorsS.length > SAMPLES) this.errorsS.shift();
    const errorS = median(this.errorsS);
    if (this.expectedErrorS !== null) {
      this.cost.learn(this.expectedErrorS - errorS);
      this.expectedErrorS = null;
    }
    if (Math.abs(errorS) > SEEK_OVER_S) {
      this.reset(nowMs, REST_AFTER_SEEK_MS);
      return { rate, seek: true, isSettled: false };
    }
    this.checkFrame(frameErrorS, frameS);
    const remainingS = errorS - this.offsetS;
    if (Math.abs(remainingS) <= HOLD_UNDER_S) {
      this.isSettled = this.wrongFrames < WRONG_FRAMES_UNSETTLED;
      return this.at(rate);
    }
    return this.startPulse(nowMs, remainingS, rate);
  }

  private startPulse(nowMs: number, remainingS: number, rate: number): DriftCorrection {
    const maxChange = this.isSettled ? MAX_RATE_CHANGE : MAX_RATE_CHANGE_JOINING;
    // Wall time to gain. A relative change of the rate gains class time in proportion to the rate: at double rate a pulse
    // gains twice as much, hence the division. The fixed cost of the pulse is gained on top.
    const gainS = (this.cost.costS - remainingS) / rate;
    // gain = length * change, and the change has a limit: a large gain needs a longer pulse.
    const lengthS = Math.max(PULSE_S, Math.abs(gainS) / maxChange);
    const rateChange = gainS / lengthS;
    this.expectedErrorS = this.offsetS;
    this.errorsS = [];
    this.phase = { name: "pulse", rateChange, untilMs: nowMs + lengthS * 1000 };
    return this.at(rate * (1 + rateChange));
  }

  /** Moves the target where the presented frame stays wrong while the clocks agree. */
  private checkFrame(frameErrorS: number | null, frameS: number): void {
    const isWrong = frameErrorS !== null && Math.abs(frameErrorS) > WRONG_FRAME_FRACTION * frameS;
    this.wrongFrames = isWrong ? this.wrongFrames + 1 : 0;
    if (!isWrong || this.wrongFrames < WRONG_FRAMES_BEFORE_OFFSET) return;
    this.wrongFrames = 0;
    const nextOffsetS = this.offsetS - Math.sign(frameErrorS) * OFFSET_STEP_FRAMES * frameS;
    // An offset that did not help is dropped: the right frame may be closer on the other side.
    this.offsetS = Math.abs(nextOffsetS) > MAX_OFFSET_FRAMES * frameS ? 0 : nextOffsetS;
  }

  private at(rate: number): DriftCorrection {
    return { rate, seek: false, isSettled: this.isSettled };
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
