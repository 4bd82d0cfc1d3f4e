/**
 * Several views on one master clock: play, pause, seek, step, rate, sound. The decisions are `conductor`'s.
 *
 * Alignment is always the same: pause all, seek all to one class time, wait until each has shown its picture, play all.
 * While playing, ten times a second each view is compared with the master and bent, or made to jump. A view whose
 * camera has no picture is parked, and joins again by itself; nobody waits for it.
 */
import { MasterClock, reference, skewMs, type Shown } from "./conductor.ts";
import { PulseCost } from "./follower.ts";
import type { Screen } from "./screen.ts";
import { seatOf, type Seat } from "./seat.ts";
import { blankAt, clamp, frameAt, playableRange, stepFrom, type ClassTimeline, type Gap } from "./timeline.ts";

/** `aligning` is a pause or a seek on its way, `waiting` one that takes so long that the viewer should know. */
export type State = "loading" | "paused" | "aligning" | "playing" | "waiting" | "ended";

export const RATES = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2] as const;

const TICK_MS = 100;
/** A view may be parked this much before its blank begins; it is not taken back for that. */
const EARLY_S = 0.25;
/** A view that runs dry for this long stops the others too. */
const DRY_MS = 250;
/** A seek that a newer wish overtakes is given up after this long, so that a dragged bar shows pictures. */
const OVERTAKE_MS = 250;

export interface EnsembleEvents {
  state(state: State): void;
  time(classS: number): void;
  blank(trackId: string, blank: Gap | null, freeze: boolean): void;
  blocked(): void;
}

export class Ensemble {
  readonly firstS: number;
  readonly lastS: number;
  private readonly seats: Seat[];
  private readonly clock = new MasterClock();
  private current: State = "loading";
  private wantsToPlay = false;
  private target: number | null = null;
  private moving: Promise<void> | null = null;
  private audible: string | null = null;
  private lead: string | null = null;
  private timer = 0;
  private generation = 0;

  constructor(
    timeline: ClassTimeline,
    screens: readonly Screen[],
    private readonly events: EnsembleEvents,
    /** What this browser's changes of rate cost, as far as it was learnt before. */
    readonly pulseCost = new PulseCost(),
  ) {
    [this.firstS, this.lastS] = playableRange(timeline);
    this.seats = screens.map((screen) => seatOf(screen, pulseCost));
  }

  get state(): State {
    return this.current;
  }

  /** Returns whether the class plays, or would but for loading. */
  get wished(): boolean {
    return this.wantsToPlay;
  }

  get rate(): number {
    return this.clock.rate;
  }

  /** Returns the class time on the master clock now. */
  get timeS(): number {
    return clamp(this.clock.at(performance.now()), this.firstS, this.lastS);
  }

  /** Returns whether every view that plays stands in its place. */
  get isSettled(): boolean {
    return this.current === "playing" && this.seats.every((seat) => seat.blank !== null || seat.settled);
  }

  /** Returns how far apart the views' clocks are, in ms; null while fewer than two play. */
  get skewMs(): number | null {
    const now = performance.now();
    const places = this.seats
      .filter((seat) => seat.blank === null)
      .map((seat) => seat.screen.reading.at(now, this.rate))
      .filter((place) => place !== null);
    return this.current === "playing" ? skewMs(places) : null;
  }

  /** Opens every view at `classS` and resolves when each has shown its first picture. */
  async open(classS: number): Promise<void> {
    this.clock.stand(classS);
    for (const seat of this.seats) seat.screen.open(classS);
    await this.seek(classS);
  }

  async play(): Promise<void> {
    if (this.wantsToPlay) return;
    this.wantsToPlay = true;
    if (this.timeS >= this.lastS - 0.05) this.target = this.firstS;
    await this.move(this.target ?? this.timeS);
  }

  /** Stops on one exact picture, the same instant in every view. */
  async pause(): Promise<void> {
    this.wantsToPlay = false;
    const now = performance.now();
    this.halt(this.snap(this.shownS(now)));
    await this.move(this.timeS);
  }

  async toggle(): Promise<void> {
    await (this.wantsToPlay ? this.pause() : this.play());
  }

  async seek(classS: number): Promise<void> {
    await this.move(clamp(classS, this.firstS, this.lastS));
  }

  /** Moves by pictures of the leading view, forward or back, and stays paused. */
  async step(frames: number): Promise<void> {
    if (this.wantsToPlay) await this.pause();
    const seat = this.leadingSeat();
    if (seat === undefined) return;
    const fromS = this.target ?? this.timeS;
    await this.seek(stepFrom(seat.screen.track, fromS, frames));
  }

  setRate(rate: number): void {
    this.clock.setRate(rate, performance.now());
    for (const { screen, follower } of this.seats) {
      follower.reset(performance.now());
      screen.reading.clear();
      screen.video.defaultPlaybackRate = rate;
      screen.setRate(rate);
    }
  }

  /** Chooses whose sound is heard (null: none) and which view leads. */
  assign(audible: string | null, lead: string | null): void {
    this.audible = audible;
    this.lead = lead;
    for (const { screen } of this.seats) screen.video.muted = screen.track.id !== audible;
  }

  setVolume(volume: number): void {
    for (const { screen } of this.seats) screen.video.volume = volume;
  }

  /** Stops for good and lets go of everything that was loaded. */
  close(): void {
    this.generation++;
    this.wantsToPlay = false;
    this.halt(this.timeS);
    window.clearInterval(this.timer);
    for (const { screen } of this.seats) screen.close();
  }

  private async move(toS: number): Promise<void> {
    this.target = toS;
    this.moving ??= this.settle().finally(() => {
      this.moving = null;
    });
    await this.moving;
  }

  /** Aligns at the newest target until there is none newer, then plays on if that is wished. */
  private async settle(): Promise<void> {
    const generation = this.generation;
    for (;;) {
      while (this.target !== null) {
        const toS: number = this.target;
        this.target = null;
        this.halt(this.snap(toS));
        await this.gather();
        if (generation !== this.generation) return;
      }
      if (!this.wantsToPlay) {
        this.become(this.timeS >= this.lastS - 0.05 ? "ended" : "paused");
        return;
      }
      await this.start();
      if (this.target === null) return;
    }
  }

  private halt(atS: number): void {
    window.clearInterval(this.timer);
    this.clock.stand(atS);
    for (const seat of this.seats) {
      seat.screen.video.pause();
      seat.settled = false;
      seat.drySinceMs = null;
    }
    if (this.current !== "loading" && this.current !== "waiting") this.become("aligning");
  }

  /** Seeks every view to the master's place; returns when all have shown it, or when a newer wish overtakes. */
  private async gather(): Promise<void> {
    const atS = this.timeS;
    this.events.time(atS);
    const shown = this.seats.map(async (seat) => {
      this.setBlank(seat, blankAt(seat.screen.track, atS), false);
      if (seat.blank === null) await seat.screen.show(atS);
      else this.prepare(seat);
    });
    let slow = 0;
    const overtaken = new Promise<void>((resolve) => {
      slow = window.setInterval(() => {
        if (this.current !== "loading") this.become("waiting");
        if (this.target !== null) resolve();
      }, OVERTAKE_MS);
    });
    await Promise.race([Promise.all(shown), overtaken]);
    window.clearInterval(slow);
  }

  private async start(): Promise<void> {
    const active = this.seats.filter((seat) => seat.blank === null);
    const slow = window.setTimeout(() => this.become("waiting"), OVERTAKE_MS);
    await Promise.all(active.map((seat) => this.overtakable(seat.screen.untilReady())));
    window.clearTimeout(slow);
    if (!this.wantsToPlay || this.target !== null) {
      this.target ??= this.timeS;
      return;
    }
    const fromS = this.timeS;
    for (const { screen, follower } of this.seats) {
      follower.reset(performance.now());
      screen.reading.clear();
      screen.setRate(this.rate);
    }
    const started = await Promise.allSettled(active.map((seat) => seat.screen.play()));
    if (started.some((result) => result.status === "rejected" && result.reason?.name === "NotAllowedError")) {
      this.wantsToPlay = false;
      this.target ??= fromS;
      this.events.blocked();
      return;
    }
    if (!this.wantsToPlay || this.target !== null) {
      this.target ??= fromS;
      return;
    }
    this.clock.run(fromS, performance.now());
    this.become("playing");
    window.clearInterval(this.timer);
    this.timer = window.setInterval(() => this.tick(), TICK_MS);
  }

  private async overtakable(ready: Promise<void>): Promise<void> {
    let timer = 0;
    const overtaken = new Promise<void>((resolve) => {
      timer = window.setInterval(() => {
        if (this.target !== null || !this.wantsToPlay) resolve();
      }, 50);
    });
    await Promise.race([ready, overtaken]);
    window.clearInterval(timer);
  }

  private tick(): void {
    const now = performance.now();
    const leader = reference(
      this.seats.map((seat) => ({
        id: seat.screen.track.id,
        active: seat.blank === null && !seat.screen.video.paused,
        settled: seat.settled,
        audible: seat.screen.track.id === this.audible,
        lead: seat.screen.track.id === this.lead,
      })),
    );
    const led = this.seats.find((seat) => seat.screen.track.id === leader);
    const placeS = led?.screen.clockS ?? null;
    if (placeS !== null && Math.abs(placeS - this.clock.at(now)) < 1) this.clock.run(placeS, now);
    const atS = this.clock.at(now);
    if (atS >= this.lastS - 0.04) {
      this.wantsToPlay = false;
      void this.move(this.lastS - 0.02);
      return;
    }
    for (const seat of this.seats) this.attend(seat, led, atS, now);
    this.events.time(atS);
  }

  private attend(seat: Seat, led: Seat | undefined, atS: number, now: number): void {
    const { screen } = seat;
    const early = seat.blank !== null && atS < seat.blank.fromS && atS > seat.blank.fromS - EARLY_S;
    const blank = early ? seat.blank : blankAt(screen.track, atS);
    if (blank !== seat.blank) {
      if (blank === null) this.join(seat, atS);
      else this.park(seat, blank);
      return;
    }
    if (blank !== null) return;
    this.foresee(seat, atS);
    if (screen.ready) seat.drySinceMs = null;
    else seat.drySinceMs ??= now;
    if (seat.drySinceMs !== null && now - seat.drySinceMs > DRY_MS) {
      this.target = atS;
      void this.move(atS);
      return;
    }
    if (screen.video.paused && !screen.video.ended) void screen.play().catch(() => undefined);
    if (seat === led) {
      screen.setRate(this.rate);
      seat.settled = true;
    } else {
      this.steer(seat, led, atS, now);
    }
  }

  private steer(seat: Seat, led: Seat | undefined, atS: number, now: number): void {
    const { screen } = seat;
    const shownS = screen.reading.at(now, this.rate);
    const ledS = led?.screen.reading.at(now, this.rate) ?? null;
    const pictureErrorS = shownS !== null && ledS !== null ? shownS - ledS : null;
    const frameS = 1 / screen.track.fps;
    const advice = seat.follower.advise(now, screen.clockS - atS, pictureErrorS, frameS, this.rate);
    seat.settled = advice.settled;
    screen.setRate(advice.rate);
    if (advice.seek) screen.jump(atS + 0.1 * this.rate);
  }

  /** Parks or joins between two ticks, on time. */
  private foresee(seat: Seat, atS: number): void {
    const soonS = atS + (TICK_MS / 1000) * this.rate;
    const blank = blankAt(seat.screen.track, soonS);
    if (blank === null) return;
    const generation = this.generation;
    window.setTimeout(
      () => {
        if (generation === this.generation && this.current === "playing" && seat.blank === null) this.park(seat, blank);
      },
      Math.max(0, ((blank.fromS - atS) / this.rate) * 1000 - 8),
    );
  }

  private park(seat: Seat, blank: Gap): void {
    seat.screen.video.pause();
    this.setBlank(seat, blank, true);
    this.prepare(seat);
  }

  /** Takes a parked view to the end of its blank, under the plate, so that it is loaded when its time comes. */
  private prepare(seat: Seat): void {
    const { blank, screen } = seat;
    if (blank !== null && blank.toS < this.lastS) void screen.show(blank.toS + 0.001);
  }

  private join(seat: Seat, atS: number): void {
    const { screen } = seat;
    this.setBlank(seat, null, false);
    seat.settled = false;
    seat.follower.reset(performance.now());
    screen.reading.clear();
    screen.setRate(this.rate);
    const frame = frameAt(screen.track, atS);
    const standsS = screen.video.currentTime;
    if (frame !== null && Math.abs(standsS - frame.mediaS) > 0.25) screen.jump(atS + 0.1 * this.rate);
    void screen.play().catch(() => undefined);
  }

  private setBlank(seat: Seat, blank: Gap | null, freeze: boolean): void {
    if (seat.blank === blank) return;
    this.events.blank(seat.screen.track.id, blank, freeze);
    seat.blank = blank;
  }

  private leadingSeat(): Seat | undefined {
    const atS = this.timeS;
    const seeing = this.seats.filter((seat) => blankAt(seat.screen.track, atS) === null);
    return seeing.find((seat) => seat.screen.track.id === this.lead) ?? seeing[0] ?? this.seats[0];
  }

  /** Returns the class time of the picture the leading view shows now. */
  private shownS(now: number): number {
    const last: Shown | null = this.leadingSeat()?.screen.reading.last ?? null;
    return last !== null && this.current === "playing" ? last.classS + 0.001 : this.clock.at(now);
  }

  /** Returns the middle of the leading view's picture at `classS`: there every view's clock error is half a picture away. */
  private snap(classS: number): number {
    const inside = clamp(classS, this.firstS, Math.max(this.firstS, this.lastS - 0.02));
    const seat =
      this.seats.find(({ screen }) => screen.track.id === this.lead && blankAt(screen.track, inside) === null) ??
      this.seats.find(({ screen }) => blankAt(screen.track, inside) === null);
    return (seat && frameAt(seat.screen.track, inside)?.middleClassS) ?? inside;
  }

  private become(state: State): void {
    if (state === this.current) return;
    this.current = state;
    this.events.state(state);
  }
}
