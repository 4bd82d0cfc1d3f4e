/** What the sync group keeps for each view, next to the view's player. */
import { DriftControl, type RateChangeCost } from "./drift_control.ts";
import type { Gap } from "./timeline.ts";
import type { TrackPlayer } from "./track_player.ts";
import type { ViewStatus } from "./wait_policy.ts";

/** State of a view that the others continued without, until it rejoins. Times in ms are `performance.now()` readings. */
export interface LateState {
  /** How much must be loaded before it rejoins, in seconds. */
  readonly bufferS: number;
  /** How many times it was sent ahead of the class. */
  attempts: number;
  /** Where it was sent last, in class time. */
  targetS: number;
  /** When it was sent there. */
  seekedMs: number;
  /** Since when it plays hidden in order to rejoin; null while it loads. */
  rejoiningSinceMs: number | null;
}

export interface ViewSlot {
  readonly player: TrackPlayer;
  /** The stretch without a picture that it waits through, or null. */
  blank: Gap | null;
  /** Set while it should show a picture and has none. */
  late: LateState | null;
  /** When it was last late, as a `performance.now()` reading; null: never. */
  lateMs: number | null;
  readonly driftControl: DriftControl;
  /** It is within tolerance of the master clock. */
  isSettled: boolean;
  /** Since when it has nothing left to play, as a `performance.now()` reading; null while it has. */
  stalledSinceMs: number | null;
  /** It shows its picture of the seek target, or has none there. */
  isReady: boolean;
  /** Counts the seeks it was asked for: the result of an older seek must not be taken for that of the newest. */
  seekCount: number;
  /** The end of the blank that it was preloaded to, in class time. */
  preloadedToS: number | null;
}

export function createSlot(player: TrackPlayer, cost: RateChangeCost): ViewSlot {
  return {
    player,
    driftControl: new DriftControl(cost),
    blank: null,
    late: null,
    lateMs: null,
    isSettled: false,
    stalledSinceMs: null,
    isReady: false,
    seekCount: 0,
    preloadedToS: null,
  };
}

/** Returns whether the view takes part in playback: it has a picture now and is not late. */
export function isPresent(slot: ViewSlot): boolean {
  return slot.blank === null && slot.late === null;
}

/** Returns the view as the wait policy sees it; `isReady` is what the caller waits for. */
export function statusOf(slot: ViewSlot, isReady: boolean, lastS: number): ViewStatus {
  return {
    isReady: isReady && slot.late === null,
    hasPictureLater: slot.blank === null || slot.blank.toS < lastS,
    lateMs: slot.lateMs,
    isFailing: slot.player.error !== null,
  };
}
