/**
 * Several views on one master clock: play, pause, seek, step, rate, sound. The decisions are `conductor`'s, and
 * `patience`'s.
 *
 * Alignment is always the same: pause all, seek all to one class time, wait until each has shown its picture, play all.
 * While playing, ten times a second each view is compared with the master and bent, or made to jump. A view whose
 * camera has no picture is parked, and joins again by itself. The others wait for a view that is slow, but not for
 * long, and not at all for one that has failed: it is late, is loaded behind its plate, and joins like a parked one.
 */

import { PulseCost } from "./drift_control.ts";
import { JOIN_BROKEN_S, JOIN_DRY_S, JUMP_S, Latecomers } from "./late_views.ts";
import { MasterClock, reference, type Shown, skewMs } from "./master_clock.ts";
import { blankAt, type ClassTimeline, clamp, frameAt, type Gap, playableRange, sameGap, stepFrom } from "./timeline.ts";
import type { Screen } from "./track_player.ts";
import { attendanceOf, isPresent, type Seat, seatOf } from "./view_slot.ts";
import { LATE_MEMORY_MS, latecomers } from "./wait_policy.ts";

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
/** How often a wait is looked at, where nothing has happened. */
const LOOK_MS = 50;
/** A parked view is taken to the end of its blank this long before, so that each piece is tried when it is due. */
const PREPARE_S = 6;

export interface EnsembleEvents {
  state(state: State): void;
  time(classS: number): void;
  blank(trackId: string, blank: Gap | null, freeze: boolean): void;
  /** The others go on without a view that should have a picture; or it is back. */
  late(trackId: string, late: boolean): void;
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
  private readonly latecomers: Latecomers;
  private stir: () => void = () => undefined;

  constructor(
    timeline: ClassTimeline,
    screens: readonly Screen[],
    private readonly events: EnsembleEvents,
    /** What this browser's changes of rate cost, as far as it was learnt before. */
    readonly pulseCost = new PulseCost(),
  ) {
    [this.firstS, this.lastS] = playableRange(timeline);
    this.seats = screens.map((screen) => seatOf(screen, pulseCost));
    this.latecomers = new Latecomers((trackId, late) => events.late(trackId, late));
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
    return this.current === "playing" && this.seats.every((seat) => !isPresent(seat) || seat.settled);
  }

  /** Returns how far apart the views' clocks are, in ms; null while fewer than two play. */
  get skewMs(): number | null {
    const now = performance.now();
    const places = this.seats
      .filter(isPresent)
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

  /** Brings back a picture that has failed while the class stands; at any other time that happens anyway. */
  mend(): void {
    if (this.current === "paused" || this.current === "ended") void this.move(this.timeS);
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
      this.latecomers.halt(seat);
    }
    if (this.current !== "loading" && this.current !== "waiting") this.become("aligning");
  }

  /** Seeks every view to the master's place; returns when all have shown it that can, or when a newer wish overtakes. */
  private async gather(): Promise<void> {
    const atS = this.timeS;
    this.events.time(atS);
    for (const seat of this.seats) this.call(seat, atS);
    await this.meet(
      this.seats,
      (seat) => seat.arrived,
      () => false,
    );
  }

  /** Calls a view to its picture of `atS`. */
  private call(seat: Seat, atS: number): void {
    const { screen } = seat;
    const call = ++seat.calls;
    const blank = blankAt(screen.track, atS);
    seat.arrived = blank !== null;
    seat.preparedS = null;
    this.setBlank(seat, blank, false);
    if (blank !== null) {
      this.prepare(seat, atS);
      return;
    }
    void screen.show(atS).then((shown) => {
      if (call !== seat.calls) return;
      const lost = shown ? null : blankAt(screen.track, atS);
      if (shown) this.latecomers.welcome(seat);
      else if (lost === null) this.latecomers.leave(seat, JOIN_BROKEN_S);
      else this.setBlank(seat, lost, false);
      seat.arrived = shown || lost !== null;
      if (lost !== null) this.prepare(seat, atS);
      this.stir();
    });
  }

  /** Waits until the views have arrived, or are given up as late, or until something newer is wanted. */
  private async meet(
    seats: readonly Seat[],
    hasArrived: (seat: Seat) => boolean,
    isOvertaken: () => boolean,
  ): Promise<void> {
    const { generation } = this;
    const sinceMs = performance.now();
    for (;;) {
      const nowMs = performance.now();
      const waitedMs = nowMs - sinceMs;
      const views = seats.map((seat) => attendanceOf(seat, hasArrived(seat), this.lastS));
      const late = latecomers(views, waitedMs, nowMs).flatMap((index) => seats[index] ?? []);
      for (const seat of late) this.latecomers.leave(seat, JOIN_DRY_S);
      const isOver = seats.every((seat, index) => views[index]?.arrived || late.includes(seat));
      if (isOver || isOvertaken() || generation !== this.generation) return;
      if (waitedMs >= OVERTAKE_MS) {
        if (this.current !== "loading") this.become("waiting");
        if (this.target !== null) return;
      }
      await new Promise<void>((resolve) => {
        this.stir = resolve;
        window.setTimeout(resolve, LOOK_MS);
      });
    }
  }

  private async start(): Promise<void> {
    const { generation } = this;
    const isOvertaken = (): boolean => !this.wantsToPlay || this.target !== null || generation !== this.generation;
    for (const seat of this.seats) {
      seat.calls++;
      if (isPresent(seat) && seat.screen.broken) this.latecomers.leave(seat, JOIN_BROKEN_S);
    }
    const isReady = (seat: Seat): boolean => seat.screen.ready || blankAt(seat.screen.track, this.timeS) !== null;
    await this.meet(this.seats.filter(isPresent), isReady, isOvertaken);
    if (isOvertaken()) {
      this.target ??= this.timeS;
      return;
    }
    const fromS = this.timeS;
    for (const { screen, follower } of this.seats) {
      follower.reset(performance.now());
      screen.reading.clear();
      screen.setRate(this.rate);
    }
    const answered = new Set<Seat>();
    let isBlocked = false;
    const active = this.seats.filter(isPresent);
    for (const seat of active) {
      void seat.screen
        .play()
        .catch((error: unknown) => {
          isBlocked ||= error instanceof DOMException && error.name === "NotAllowedError";
        })
        .finally(() => {
          answered.add(seat);
          this.stir();
        });
    }
    await this.meet(active, (seat) => answered.has(seat), isOvertaken);
    if (isBlocked) {
      this.wantsToPlay = false;
      this.target ??= fromS;
      this.events.blocked();
      return;
    }
    if (isOvertaken()) {
      this.target ??= fromS;
      return;
    }
    this.clock.run(fromS, performance.now());
    this.become("playing");
    window.clearInterval(this.timer);
    this.timer = window.setInterval(() => this.tick(), TICK_MS);
  }

  private tick(): void {
    const now = performance.now();
    const leader = reference(
      this.seats.map((seat) => ({
        id: seat.screen.track.id,
        active: isPresent(seat) && !seat.screen.video.paused && !seat.screen.broken,
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
    const goesOn = this.seats.some(
      (seat) => seat.late === null && (seat.blank === null || seat.blank.toS < this.lastS),
    );
    // Nobody is left who has a picture, now or later: the class waits for those that are late.
    if (!goesOn && this.seats.some((seat) => seat.late !== null)) void this.move(atS);
  }

  private attend(seat: Seat, led: Seat | undefined, atS: number, now: number): void {
    const { screen } = seat;
    const early = seat.blank !== null && atS < seat.blank.fromS && atS > seat.blank.fromS - EARLY_S;
    const blank = early ? seat.blank : blankAt(screen.track, atS);
    if (!sameGap(blank, seat.blank)) {
      if (blank === null) this.join(seat, atS);
      else this.park(seat, blank);
      return;
    }
    if (blank !== null) {
      this.prepare(seat, atS);
      return;
    }
    if (seat.late !== null) {
      this.latecomers.bringBack(seat, atS, now, this.rate);
      return;
    }
    if (screen.broken) {
      this.latecomers.leave(seat, JOIN_BROKEN_S);
      return;
    }
    this.foresee(seat, atS);
    if (screen.ready) seat.drySinceMs = null;
    else seat.drySinceMs ??= now;
    if (seat.drySinceMs !== null && now - seat.drySinceMs > DRY_MS) {
      if (seat.lateMs !== null && now - seat.lateMs < LATE_MEMORY_MS) this.latecomers.leave(seat, JOIN_DRY_S);
      else void this.move(atS);
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
    if (advice.seek) screen.jump(atS + JUMP_S * this.rate);
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
    seat.calls++;
    seat.screen.video.pause();
    seat.preparedS = null;
    this.setBlank(seat, blank, true);
    this.prepare(seat, this.timeS);
  }

  /** Takes a parked view to the end of its blank, under the plate, so that it is loaded when its time comes. */
  private prepare(seat: Seat, atS: number): void {
    const { blank, screen } = seat;
    if (blank === null || blank.toS >= this.lastS || seat.preparedS === blank.toS) return;
    if (blank.toS - atS > PREPARE_S * Math.max(1, this.rate)) return;
    seat.preparedS = blank.toS;
    void screen.show(blank.toS + 0.001);
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
    if (screen.broken || (frame !== null && Math.abs(standsS - frame.mediaS) > 0.25))
      screen.jump(atS + JUMP_S * this.rate);
    void screen.play().catch(() => undefined);
  }

  private setBlank(seat: Seat, blank: Gap | null, freeze: boolean): void {
    if (blank !== null) this.latecomers.welcome(seat);
    if (sameGap(seat.blank, blank)) return;
    this.events.blank(seat.screen.track.id, blank, freeze);
    seat.blank = blank;
  }

  private leadingSeat(): Seat | undefined {
    const atS = this.timeS;
    const seeing = this.seats.filter((seat) => seat.late === null && blankAt(seat.screen.track, atS) === null);
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
