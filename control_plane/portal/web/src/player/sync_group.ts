/**
 * Plays several views on one master clock: play, pause, seek, step, rate, audio. `master_clock`, `drift_control` and
 * `wait_policy` make the decisions; this class applies them.
 *
 * Alignment always takes the same steps: pause all views, seek all to one class time, wait until each has shown its
 * picture, play all. During playback each view is compared with the master clock ten times a second; its rate is changed
 * for a moment, or it seeks. A view whose camera has no picture is parked and rejoins by itself. The others wait a few
 * seconds for a slow view and not at all for a failed one: that view is late, loads while hidden, and rejoins.
 */
import { RateChangeCost } from "./drift_control.ts";
import { GapParking } from "./gap_parking.ts";
import { LateViews, REJOIN_BROKEN_S, REJOIN_STALLED_S, SEEK_LEAD_S } from "./late_views.ts";
import { chooseReference, MasterClock, type ShownFrame, skewMs } from "./master_clock.ts";
import { blankAt, type ClassTimeline, clamp, frameAt, type Gap, playableRange, sameGap, stepFrom } from "./timeline.ts";
import type { TrackPlayer } from "./track_player.ts";
import { createSlot, isPresent, statusOf, type ViewSlot } from "./view_slot.ts";
import { LATE_MEMORY_MS, overdueViews } from "./wait_policy.ts";

/** `aligning`: a pause or seek is in progress. `waiting`: it takes so long that the viewer should know. */
export type State = "loading" | "paused" | "aligning" | "playing" | "waiting" | "ended";

export const RATES = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2] as const;

const TICK_MS = 100;
/** How long before its blank a view may be parked without being unparked by the next tick. */
const PARK_EARLY_S = 0.25;
/** A view that has nothing to play for this long is a reason to realign all views. */
const STALL_MS = 250;
/** A seek with a newer target is abandoned after this time, not at once: dragging the seek bar then shows pictures. */
const SUPERSEDE_MS = 250;
/** How often a wait is re-evaluated when no event wakes it. */
const WAIT_POLL_MS = 50;
export interface SyncGroupEvents {
  state(state: State): void;
  time(classS: number): void;
  blank(trackId: string, blank: Gap | null, freeze: boolean): void;
  /** A view that should have a picture is left behind (true), or has rejoined (false). */
  late(trackId: string, isLate: boolean): void;
  /** The browser does not allow playback without a user gesture. */
  blocked(): void;
}

export class SyncGroup {
  readonly firstS: number;
  readonly lastS: number;
  private readonly slots: ViewSlot[];
  private readonly clock = new MasterClock();
  private current: State = "loading";
  private playRequested = false;
  /** The newest class time to align at that alignment has not started with. */
  private targetS: number | null = null;
  private moving: Promise<void> | null = null;
  private audible: string | null = null;
  private lead: string | null = null;
  private timer = 0;
  /** Increases when the group is closed: asynchronous steps of an older generation stop. */
  private generation = 0;
  private readonly lateViews: LateViews;
  private readonly parking: GapParking;
  /** Lets the current `waitFor` re-evaluate its condition. */
  private wake: () => void = () => undefined;

  constructor(
    timeline: ClassTimeline,
    trackPlayers: readonly TrackPlayer[],
    private readonly events: SyncGroupEvents,
    /** What a rate change costs in this browser, as measured so far. */
    readonly rateChangeCost = new RateChangeCost(),
  ) {
    [this.firstS, this.lastS] = playableRange(timeline);
    this.slots = trackPlayers.map((player) => createSlot(player, rateChangeCost));
    this.lateViews = new LateViews((trackId, isLate) => events.late(trackId, isLate));
    this.parking = new GapParking(this, this.lateViews, (trackId, blank, freeze) =>
      events.blank(trackId, blank, freeze),
    );
  }

  get state(): State {
    return this.current;
  }

  /** Returns whether the class plays or will play once it has loaded. */
  get wantsToPlay(): boolean {
    return this.playRequested;
  }

  get rate(): number {
    return this.clock.rate;
  }

  /** Returns the class time on the master clock now. */
  get timeS(): number {
    return clamp(this.clock.at(performance.now()), this.firstS, this.lastS);
  }

  /** Returns whether every playing view is within tolerance of the master clock. */
  get isSettled(): boolean {
    return this.current === "playing" && this.slots.every((slot) => !isPresent(slot) || slot.isSettled);
  }

  /** Returns the spread of the views' class times in ms; null while fewer than two play. */
  get skewMs(): number | null {
    const now = performance.now();
    const places = this.slots
      .filter(isPresent)
      .map((slot) => slot.player.frameClock.at(now, this.rate))
      .filter((place) => place !== null);
    return this.current === "playing" ? skewMs(places) : null;
  }

  /** Opens every view at `classS`; resolves when each has shown its first picture. */
  async open(classS: number): Promise<void> {
    this.clock.pauseAt(classS);
    for (const slot of this.slots) slot.player.open(classS);
    await this.seek(classS);
  }

  async play(): Promise<void> {
    if (this.playRequested) return;
    this.playRequested = true;
    if (this.timeS >= this.lastS - 0.05) this.targetS = this.firstS;
    await this.move(this.targetS ?? this.timeS);
  }

  /** Pauses on one exact frame, at the same instant in every view. */
  async pause(): Promise<void> {
    this.playRequested = false;
    const now = performance.now();
    this.halt(this.snap(this.shownS(now)));
    await this.move(this.timeS);
  }

  async toggle(): Promise<void> {
    await (this.playRequested ? this.pause() : this.play());
  }

  async seek(classS: number): Promise<void> {
    await this.move(clamp(classS, this.firstS, this.lastS));
  }

  /** Moves by frames of the lead view, forward or back, and stays paused. */
  async step(frames: number): Promise<void> {
    if (this.playRequested) await this.pause();
    const slot = this.leadingSlot();
    if (slot === undefined) return;
    const fromS = this.targetS ?? this.timeS;
    await this.seek(stepFrom(slot.player.track, fromS, frames));
  }

  /** Realigns after a picture failed while paused. While playing, the next tick does it. */
  recover(): void {
    if (this.current === "paused" || this.current === "ended") void this.move(this.timeS);
  }

  setRate(rate: number): void {
    this.clock.setRate(rate, performance.now());
    for (const { player, driftControl } of this.slots) {
      driftControl.reset(performance.now());
      player.frameClock.clear();
      player.video.defaultPlaybackRate = rate;
      player.setRate(rate);
    }
  }

  /** Chooses the audible view (null: none) and the lead view. */
  assign(audible: string | null, lead: string | null): void {
    this.audible = audible;
    this.lead = lead;
    for (const { player } of this.slots) player.video.muted = player.track.id !== audible;
  }

  setVolume(volume: number): void {
    for (const { player } of this.slots) player.video.volume = volume;
  }

  /** Stops permanently and releases all loaded media. */
  close(): void {
    this.generation++;
    this.playRequested = false;
    this.halt(this.timeS);
    window.clearInterval(this.timer);
    for (const { player } of this.slots) player.close();
  }

  /** Aligns at `toS`. A call during an alignment only replaces its target; both resolve when alignment is complete. */
  private async move(toS: number): Promise<void> {
    this.targetS = toS;
    this.moving ??= this.align().finally(() => {
      this.moving = null;
    });
    await this.moving;
  }

  /** Aligns until there is no newer target, then starts playback if it is requested. */
  private async align(): Promise<void> {
    const generation = this.generation;
    for (;;) {
      while (this.targetS !== null) {
        const toS: number = this.targetS;
        this.targetS = null;
        this.halt(this.snap(toS));
        await this.seekAll();
        if (generation !== this.generation) return;
      }
      if (!this.playRequested) {
        this.setState(this.timeS >= this.lastS - 0.05 ? "ended" : "paused");
        return;
      }
      await this.start();
      if (this.targetS === null) return;
    }
  }

  /** Pauses the master clock and all views at `atS`. */
  private halt(atS: number): void {
    window.clearInterval(this.timer);
    this.clock.pauseAt(atS);
    for (const slot of this.slots) {
      slot.player.video.pause();
      slot.isSettled = false;
      slot.stalledSinceMs = null;
      this.lateViews.reset(slot);
    }
    if (this.current !== "loading" && this.current !== "waiting") this.setState("aligning");
  }

  /** Seeks every view to the master's time; returns when all views that can have shown it, or when superseded. */
  private async seekAll(): Promise<void> {
    const atS = this.timeS;
    this.events.time(atS);
    for (const slot of this.slots) this.seekSlot(slot, atS);
    await this.waitFor(
      this.slots,
      (slot) => slot.isReady,
      () => false,
    );
  }

  /** Seeks one view to its picture of `atS`. */
  private seekSlot(slot: ViewSlot, atS: number): void {
    const { player } = slot;
    const seekCount = ++slot.seekCount;
    const blank = blankAt(player.track, atS);
    slot.isReady = blank !== null;
    slot.preloadedToS = null;
    this.parking.setBlank(slot, blank, false);
    if (blank !== null) {
      this.parking.preload(slot, atS);
      return;
    }
    void player.show(atS).then((shown) => {
      if (seekCount !== slot.seekCount) return;
      const lost = shown ? null : blankAt(player.track, atS);
      if (shown) this.lateViews.clearLate(slot);
      else if (lost === null) this.lateViews.markLate(slot, REJOIN_BROKEN_S);
      else this.parking.setBlank(slot, lost, false);
      slot.isReady = shown || lost !== null;
      if (lost !== null) this.parking.preload(slot, atS);
      this.wake();
    });
  }

  /** Waits until every view is ready or marked late, or until the wait is superseded. */
  private async waitFor(
    slots: readonly ViewSlot[],
    isReady: (slot: ViewSlot) => boolean,
    isSuperseded: () => boolean,
  ): Promise<void> {
    const { generation } = this;
    const sinceMs = performance.now();
    for (;;) {
      const nowMs = performance.now();
      const waitedMs = nowMs - sinceMs;
      const views = slots.map((slot) => statusOf(slot, isReady(slot), this.lastS));
      const late = overdueViews(views, waitedMs, nowMs).flatMap((index) => slots[index] ?? []);
      for (const slot of late) this.lateViews.markLate(slot, REJOIN_STALLED_S);
      const isDone = slots.every((slot, index) => views[index]?.isReady || late.includes(slot));
      if (isDone || isSuperseded() || generation !== this.generation) return;
      if (waitedMs >= SUPERSEDE_MS) {
        if (this.current !== "loading") this.setState("waiting");
        if (this.targetS !== null) return;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        window.setTimeout(resolve, WAIT_POLL_MS);
      });
    }
  }

  /** Starts all views and the master clock; sets a target instead when superseded or blocked, to align again. */
  private async start(): Promise<void> {
    const { generation } = this;
    const isSuperseded = (): boolean => !this.playRequested || this.targetS !== null || generation !== this.generation;
    for (const slot of this.slots) {
      slot.seekCount++;
      if (isPresent(slot) && slot.player.broken) this.lateViews.markLate(slot, REJOIN_BROKEN_S);
    }
    const isReady = (slot: ViewSlot): boolean => slot.player.ready || blankAt(slot.player.track, this.timeS) !== null;
    await this.waitFor(this.slots.filter(isPresent), isReady, isSuperseded);
    if (isSuperseded()) {
      this.targetS ??= this.timeS;
      return;
    }
    const fromS = this.timeS;
    for (const { player, driftControl } of this.slots) {
      driftControl.reset(performance.now());
      player.frameClock.clear();
      player.setRate(this.rate);
    }
    const started = new Set<ViewSlot>();
    let isBlocked = false;
    const active = this.slots.filter(isPresent);
    for (const slot of active) {
      void slot.player
        .play()
        .catch((error: unknown) => {
          isBlocked ||= error instanceof DOMException && error.name === "NotAllowedError";
        })
        .finally(() => {
          started.add(slot);
          this.wake();
        });
    }
    await this.waitFor(active, (slot) => started.has(slot), isSuperseded);
    if (isBlocked) {
      this.playRequested = false;
      this.targetS ??= fromS;
      this.events.blocked();
      return;
    }
    if (isSuperseded()) {
      this.targetS ??= fromS;
      return;
    }
    this.clock.runFrom(fromS, performance.now());
    this.setState("playing");
    window.clearInterval(this.timer);
    this.timer = window.setInterval(() => this.tick(), TICK_MS);
  }

  private tick(): void {
    const now = performance.now();
    const referenceId = chooseReference(
      this.slots.map((slot) => ({
        id: slot.player.track.id,
        isPlaying: isPresent(slot) && !slot.player.video.paused && !slot.player.broken,
        isSettled: slot.isSettled,
        isAudible: slot.player.track.id === this.audible,
        isLead: slot.player.track.id === this.lead,
      })),
    );
    const reference = this.slots.find((slot) => slot.player.track.id === referenceId);
    const referenceS = reference?.player.clockS ?? null;
    // A difference of a second or more is a view that has not arrived yet, not drift; following it would move the class.
    if (referenceS !== null && Math.abs(referenceS - this.clock.at(now)) < 1) this.clock.runFrom(referenceS, now);
    const atS = this.clock.at(now);
    if (atS >= this.lastS - 0.04) {
      this.playRequested = false;
      void this.move(this.lastS - 0.02);
      return;
    }
    for (const slot of this.slots) this.updateSlot(slot, reference, atS, now);
    this.events.time(atS);
    const canContinue = this.slots.some(
      (slot) => slot.late === null && (slot.blank === null || slot.blank.toS < this.lastS),
    );
    // No other view has a picture, now or later: the class waits for the late ones.
    if (!canContinue && this.slots.some((slot) => slot.late !== null)) void this.move(atS);
  }

  private updateSlot(slot: ViewSlot, reference: ViewSlot | undefined, atS: number, now: number): void {
    const { player } = slot;
    const early = slot.blank !== null && atS < slot.blank.fromS && atS > slot.blank.fromS - PARK_EARLY_S;
    const blank = early ? slot.blank : blankAt(player.track, atS);
    if (!sameGap(blank, slot.blank)) {
      if (blank === null) this.parking.unpark(slot, atS);
      else this.parking.park(slot, blank);
      return;
    }
    if (blank !== null) {
      this.parking.preload(slot, atS);
      return;
    }
    if (slot.late !== null) {
      this.lateViews.advance(slot, atS, now, this.rate);
      return;
    }
    if (player.broken) {
      this.lateViews.markLate(slot, REJOIN_BROKEN_S);
      return;
    }
    this.parking.schedule(slot, atS, TICK_MS);
    if (player.ready) slot.stalledSinceMs = null;
    else slot.stalledSinceMs ??= now;
    if (slot.stalledSinceMs !== null && now - slot.stalledSinceMs > STALL_MS) {
      if (slot.lateMs !== null && now - slot.lateMs < LATE_MEMORY_MS) this.lateViews.markLate(slot, REJOIN_STALLED_S);
      else void this.move(atS);
      return;
    }
    if (player.video.paused && !player.video.ended) void player.play().catch(() => undefined);
    if (slot === reference) {
      player.setRate(this.rate);
      slot.isSettled = true;
    } else {
      this.correctDrift(slot, reference, atS, now);
    }
  }

  private correctDrift(slot: ViewSlot, reference: ViewSlot | undefined, atS: number, now: number): void {
    const { player } = slot;
    const shownS = player.frameClock.at(now, this.rate);
    const referenceS = reference?.player.frameClock.at(now, this.rate) ?? null;
    const frameErrorS = shownS !== null && referenceS !== null ? shownS - referenceS : null;
    const frameS = 1 / player.track.fps;
    const correction = slot.driftControl.update(now, player.clockS - atS, frameErrorS, frameS, this.rate);
    slot.isSettled = correction.isSettled;
    player.setRate(correction.rate);
    if (correction.seek) player.jump(atS + SEEK_LEAD_S * this.rate);
  }

  private leadingSlot(): ViewSlot | undefined {
    const atS = this.timeS;
    const withPicture = this.slots.filter((slot) => slot.late === null && blankAt(slot.player.track, atS) === null);
    return withPicture.find((slot) => slot.player.track.id === this.lead) ?? withPicture[0] ?? this.slots[0];
  }

  /** Returns the class time of the picture that the lead view shows now. */
  private shownS(now: number): number {
    const last: ShownFrame | null = this.leadingSlot()?.player.frameClock.last ?? null;
    return last !== null && this.current === "playing" ? last.classS + 0.001 : this.clock.at(now);
  }

  /**
   * Returns the middle of the lead view's frame at `classS`.
   *
   * In the middle of a frame, rounding in a browser's clock would need half a frame to reach a neighbouring picture.
   */
  private snap(classS: number): number {
    const inside = clamp(classS, this.firstS, Math.max(this.firstS, this.lastS - 0.02));
    const slot =
      this.slots.find(({ player }) => player.track.id === this.lead && blankAt(player.track, inside) === null) ??
      this.slots.find(({ player }) => blankAt(player.track, inside) === null);
    return (slot && frameAt(slot.player.track, inside)?.middleClassS) ?? inside;
  }

  private setState(state: State): void {
    if (state === this.current) return;
    this.current = state;
    this.events.state(state);
  }
}
