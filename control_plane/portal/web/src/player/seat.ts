/** What the ensemble keeps of one view beside its screen. */
import { Follower, type PulseCost } from "./follower.ts";
import type { Screen } from "./screen.ts";
import type { Gap } from "./timeline.ts";

export interface Seat {
  readonly screen: Screen;
  /** The stretch without picture that it waits out, or null. */
  blank: Gap | null;
  readonly follower: Follower;
  settled: boolean;
  /** Since when nothing is left to play, by `performance.now()`; null where something is. */
  drySinceMs: number | null;
}

export function seatOf(screen: Screen, cost: PulseCost): Seat {
  return { screen, follower: new Follower(cost), blank: null, settled: false, drySinceMs: null };
}
