/** How long the views wait for one that has no picture yet. Pure. */

/** What the wait policy has to know of one view. */
export interface ViewStatus {
  /** It shows its picture, or has none at this class time. */
  readonly isReady: boolean;
  /** It has pictures after the current blank, or is not in a blank. */
  readonly hasPictureLater: boolean;
  /** When it was last late, on the clock of `nowMs`; null: never. */
  readonly lateMs: number | null;
  /** Its server or network is known to fail. */
  readonly isFailing: boolean;
}

/** How long to wait for a view without a known error: a slow network is no reason to lose a view. */
export const WAIT_LIMIT_MS = 5000;
/** The same for a view whose server or network fails. */
export const FAILING_WAIT_LIMIT_MS = 1500;
/** The same for a view that was late recently: each seek would otherwise wait again for a view that cannot load. */
export const LATE_WAIT_LIMIT_MS = 400;
/** How long a view counts as recently late. */
export const LATE_MEMORY_MS = 30_000;
/**
 * How far ahead of the class a late view loads, in seconds, by attempt. Each failed attempt shows that loading is slower
 * than assumed, so the next one aims further ahead; the last entry repeats.
 */
const PRELOAD_AHEAD_S = [0.5, 2, 4, 8, 12] as const;

/** Returns how long the other views wait for this one, in ms. */
export function waitLimitMs(view: ViewStatus, nowMs: number): number {
  if (view.lateMs !== null && nowMs - view.lateMs < LATE_MEMORY_MS) return LATE_WAIT_LIMIT_MS;
  return view.isFailing ? FAILING_WAIT_LIMIT_MS : WAIT_LIMIT_MS;
}

/**
 * Returns the indices of the views that the others continue without.
 *
 * Returns none while no view has a picture now or later: then the class waits.
 */
export function overdueViews(views: readonly ViewStatus[], waitedMs: number, nowMs: number): number[] {
  if (!views.some((view) => view.isReady && view.hasPictureLater)) return [];
  return views.flatMap((view, index) => (!view.isReady && waitedMs >= waitLimitMs(view, nowMs) ? [index] : []));
}

/** Returns how far ahead of the class a late view loads on its attempt number `attempts` (from 0), in seconds. */
export function preloadAheadS(attempts: number): number {
  return PRELOAD_AHEAD_S[Math.min(attempts, PRELOAD_AHEAD_S.length - 1)] ?? PRELOAD_AHEAD_S[0];
}
