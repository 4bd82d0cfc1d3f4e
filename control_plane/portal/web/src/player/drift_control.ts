/**
 * How one view is brought to the master's place, and kept there. Pure: errors and the time in, a rate out.
 *
 * A browser's clocks hardly drift, but each change of a video's rate costs it some milliseconds that nobody asked for
 * (about 25 in Chromium, whatever the size of the change), so steering all the time never comes to rest. Hence pulses: one
 * bend, long enough to make the error good, then back to the chosen rate, a rest, and a look at what it really did. What
 * a pulse costs is learnt from that.
 *
 * The clock (`currentTime`) is the fine measure, the pictures really shown are the judge: where the clocks agree and the
 * picture is still another one for a while, the clock is led off its place by parts of a frame until the picture is right.
 */

/** A view further off than this seeks; bending would take too long to be worth watching. */
export const SEEK_OVER_S = 0.3;
/** A view nearer than this is left alone. */
export const HOLD_UNDER_S = 0.008;
/** How far a settled view may be bent: beyond it the ear notices. */
export const MOST_BEND = 0.1;
/** The same for a view that has just started or joined: it is better briefly quick than long beside the others. */
export const MOST_BEND_JOINING = 0.35;

const PULSE_S = 0.4;
const REST_MS = 350;
const REST_AFTER_SEEK_MS = 1200;
const SAMPLES = 3;
/** Pictures must be wrong for this many looks in a row before the clock is led off its place. */
const PATIENCE = 6;
/** After so many the view no longer counts as settled. */
const SURE = 2;
const PICTURE_OFF = 0.6;
const LEAD_FRAMES = 0.3;
const MOST_LEAD_FRAMES = 0.6;

export interface Advice {
  readonly rate: number;
  readonly seek: boolean;
  /** It stands where it should. */
  readonly settled: boolean;
}

/** What a pulse costs beside its effect, in seconds of class time; shared by all views of a browser. */
export class PulseCost {
  constructor(public costS = 0) {}

  learn(missedS: number): void {
    this.costS = Math.min(Math.max(this.costS + missedS * 0.7, -0.08), 0.08);
  }
}

type Phase =
  | { readonly name: "watch" }
  | { readonly name: "bend"; readonly bend: number; readonly untilMs: number }
  | { readonly name: "rest"; readonly untilMs: number };

export class Follower {
  private phase: Phase = { name: "watch" };
  private errorsS: number[] = [];
  private picturesWrong = 0;
  private leadS = 0;
  private settled = false;
  private expectedS: number | null = null;

  constructor(private readonly cost: PulseCost) {}

  /** Forgets everything but what pulses cost: after a start, a seek or a change of rate. */
  reset(nowMs: number, restMs = 0): void {
    this.phase = restMs > 0 ? { name: "rest", untilMs: nowMs + restMs } : { name: "watch" };
    this.errorsS = [];
    this.picturesWrong = 0;
    this.leadS = 0;
    this.settled = false;
    this.expectedS = null;
  }

  /**
   * Returns what to do now; asked about ten times a second.
   *
   * @param clockErrorS the view's clock minus the master's, in class time
   * @param pictureErrorS the same by the pictures shown, or null where too few were
   * @param frameS how long a picture lasts
   * @param rate the rate the viewer chose
   */
  advise(nowMs: number, clockErrorS: number, pictureErrorS: number | null, frameS: number, rate: number): Advice {
    if (this.phase.name === "bend") {
      if (nowMs < this.phase.untilMs) return this.say(rate * (1 + this.phase.bend));
      this.phase = { name: "rest", untilMs: nowMs + REST_MS };
      this.errorsS = [];
      return this.say(rate);
    }
    if (this.phase.name === "rest") {
      if (nowMs < this.phase.untilMs) return this.say(rate);
      this.phase = { name: "watch" };
    }
    this.errorsS.push(clockErrorS);
    if (this.errorsS.length < SAMPLES) return this.say(rate);
    if (this.errorsS.length > SAMPLES) this.errorsS.shift();
    const errorS = median(this.errorsS);
    if (this.expectedS !== null) {
      this.cost.learn(this.expectedS - errorS);
      this.expectedS = null;
    }
    if (Math.abs(errorS) > SEEK_OVER_S) {
      this.reset(nowMs, REST_AFTER_SEEK_MS);
      return { rate, seek: true, settled: false };
    }
    this.judgePicture(pictureErrorS, frameS);
    const offS = errorS - this.leadS;
    if (Math.abs(offS) <= HOLD_UNDER_S) {
      this.settled = this.picturesWrong < SURE;
      return this.say(rate);
    }
    return this.pulse(nowMs, offS, rate);
  }

  private pulse(nowMs: number, offS: number, rate: number): Advice {
    const most = this.settled ? MOST_BEND : MOST_BEND_JOINING;
    // Class time to win, at this rate; a pulse at double rate wins twice as much.
    const winS = (this.cost.costS - offS) / rate;
    const lengthS = Math.max(PULSE_S, Math.abs(winS) / most);
    const bend = winS / lengthS;
    this.expectedS = this.leadS;
    this.errorsS = [];
    this.phase = { name: "bend", bend, untilMs: nowMs + lengthS * 1000 };
    return this.say(rate * (1 + bend));
  }

  private judgePicture(pictureErrorS: number | null, frameS: number): void {
    const wrong = pictureErrorS !== null && Math.abs(pictureErrorS) > PICTURE_OFF * frameS;
    this.picturesWrong = wrong ? this.picturesWrong + 1 : 0;
    if (!wrong || this.picturesWrong < PATIENCE) return;
    this.picturesWrong = 0;
    const ledS = this.leadS - Math.sign(pictureErrorS) * LEAD_FRAMES * frameS;
    // A lead that did not help is given up: the other side may be nearer.
    this.leadS = Math.abs(ledS) > MOST_LEAD_FRAMES * frameS ? 0 : ledS;
  }

  private say(rate: number): Advice {
    return { rate, seek: false, settled: this.settled };
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
