/** What the ensemble keeps of one view beside its screen. */
import { Follower, type PulseCost } from "./drift_control.ts";
import type { Gap } from "./timeline.ts";
import type { Screen } from "./track_player.ts";
import type { Attendance } from "./wait_policy.ts";

/** A view that the others have gone on without, on its way back. */
export interface Late {
  /** How much has to be loaded before it joins, seconds. */
  readonly needsS: number;
  /** How often it was sent ahead of the class, and where to, in class time. */
  tries: number;
  aimS: number;
  /** When that was, by `performance.now()`. */
  aimedMs: number;
  /** Since when it plays under its plate to join, by `performance.now()`; null while it loads. */
  joiningMs: number | null;
}

export interface Seat {
  readonly screen: Screen;
  /** The stretch without picture that it waits out, or null. */
  blank: Gap | null;
  /** Not null: it should have a picture, and has none. */
  late: Late | null;
  /** When it was last late, by `performance.now()`. */
  lateMs: number | null;
  readonly follower: Follower;
  settled: boolean;
  /** Since when nothing is left to play, by `performance.now()`; null where something is. */
  drySinceMs: number | null;
  /** It shows its picture of the place that the ensemble gathers at, or has none there. */
  arrived: boolean;
  /** Counts what it was called to, so that an answer to an older call is not taken for one to the newest. */
  calls: number;
  /** The end of the blank that it was taken to already, in class time. */
  preparedS: number | null;
}

export function seatOf(screen: Screen, cost: PulseCost): Seat {
  return {
    screen,
    follower: new Follower(cost),
    blank: null,
    late: null,
    lateMs: null,
    settled: false,
    drySinceMs: null,
    arrived: false,
    calls: 0,
    preparedS: null,
  };
}

/** Returns whether the view takes part: it has a picture now, and the others need not go on without it. */
export function isPresent(seat: Seat): boolean {
  return seat.blank === null && seat.late === null;
}

export function attendanceOf(seat: Seat, arrived: boolean, lastS: number): Attendance {
  return {
    arrived: arrived && seat.late === null,
    hasMore: seat.blank === null || seat.blank.toS < lastS,
    lateMs: seat.lateMs,
    troubled: seat.screen.trouble !== null,
  };
}
