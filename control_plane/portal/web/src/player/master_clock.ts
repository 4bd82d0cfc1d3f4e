/**
 * The decisions that keep several views together. Pure: readings and the time in, commands out; `ensemble` obeys.
 *
 * There is one master clock, in class time; it follows one view, and `follower` brings the others to it. What counts is
 * the pictures really shown (`requestVideoFrameCallback`): `currentTime` can agree while the picture is one frame late.
 */

/** The master clock: a place in class time that runs on by the wall clock at a rate, or stands. */
export class MasterClock {
  private anchorS = 0;
  private anchorMs = 0;
  private running = false;
  private chosenRate = 1;

  /** Returns the class time at `nowMs`. */
  at(nowMs: number): number {
    return this.running ? this.anchorS + ((nowMs - this.anchorMs) / 1000) * this.chosenRate : this.anchorS;
  }

  get rate(): number {
    return this.chosenRate;
  }

  /** Stands at `classS`. */
  stand(classS: number): void {
    this.running = false;
    this.anchorS = classS;
  }

  /** Runs from `classS` at `nowMs` on. */
  run(classS: number, nowMs: number): void {
    this.running = true;
    this.anchorS = classS;
    this.anchorMs = nowMs;
  }

  /** Changes the rate without moving the place. */
  setRate(rate: number, nowMs: number): void {
    this.anchorS = this.at(nowMs);
    this.anchorMs = nowMs;
    this.chosenRate = rate;
  }
}

/** One picture that was really shown: its class time, and when the screen showed it. */
export interface Shown {
  readonly classS: number;
  readonly atMs: number;
}

/**
 * Where a playing view is, from the last pictures it showed.
 *
 * A picture appears at the next refresh of the screen, so a single one is late by up to 17 ms; the mean of some is not
 * further off than the mean of any other view. Pictures from before a jump or a change of rate must not be mixed in:
 * `clear` forgets them.
 */
export class Reading {
  private readonly shown: Shown[] = [];

  constructor(
    private readonly most = 8,
    private readonly freshMs = 1500,
  ) {}

  add(shown: Shown): void {
    this.shown.push(shown);
    if (this.shown.length > this.most) this.shown.shift();
  }

  clear(): void {
    this.shown.length = 0;
  }

  /** Returns the newest picture, or null. */
  get last(): Shown | null {
    return this.shown.at(-1) ?? null;
  }

  /** Returns the class time at `nowMs` at `rate`, or null while fewer than three pictures are fresh. */
  at(nowMs: number, rate: number): number | null {
    const fresh = this.shown.filter((shown) => nowMs - shown.atMs < this.freshMs);
    if (fresh.length < 3) return null;
    const sum = fresh.reduce((total, shown) => total + shown.classS + ((nowMs - shown.atMs) / 1000) * rate, 0);
    return sum / fresh.length;
  }
}

/** What the conductor needs to know of one view. */
export interface View {
  readonly id: string;
  /** It has a picture at the master's time and plays. */
  readonly active: boolean;
  /** It is in its place; one that has just joined is not, and must not drag the others to where it came in. */
  readonly settled: boolean;
  readonly audible: boolean;
  readonly lead: boolean;
}

/**
 * Returns the view whose pictures the master clock follows, or null where the clock runs alone.
 *
 * The one that is heard comes first, so that sound is never bent to please a picture; then the large one.
 */
export function reference(views: readonly View[]): string | null {
  const playing = views.filter((view) => view.active);
  const settled = playing.filter((view) => view.settled);
  const active = settled.length > 0 ? settled : playing;
  const chosen = active.find((view) => view.audible) ?? active.find((view) => view.lead) ?? active[0];
  return chosen?.id ?? null;
}

/** Returns the spread of class times, in ms, of views read at one instant; null with fewer than two. */
export function skewMs(placesS: readonly number[]): number | null {
  if (placesS.length < 2) return null;
  return (Math.max(...placesS) - Math.min(...placesS)) * 1000;
}
