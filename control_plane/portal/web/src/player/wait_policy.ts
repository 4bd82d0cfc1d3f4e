/** How long the views wait for one that has no picture yet. Pure. */

export interface Attendance {
  /** It shows its picture, or has none at this time of the class. */
  readonly arrived: boolean;
  /** It has pictures after the present blank, or no blank now. */
  readonly hasMore: boolean;
  /** When it was last late, by the same clock as `nowMs`; null: never. */
  readonly lateMs: number | null;
  /** Its server or network is known to fail. */
  readonly troubled: boolean;
}

/** A view that says nothing of trouble is waited for this long: a slow line is no reason to lose a view. */
export const PATIENCE_MS = 5000;
/** The same for one whose server or network fails. */
export const TROUBLED_PATIENCE_MS = 1500;
/** The same for one that was late already: a seek must not wait again for a view that cannot come. */
export const LATE_PATIENCE_MS = 400;
/** After this long a view that was late is trusted again. */
export const LATE_MEMORY_MS = 30_000;
/** How far ahead of the class a late view loads, in seconds by its tries: the slower the line, the further. */
const AHEAD_S = [0.5, 2, 4, 8, 12] as const;

/** Returns how long the others wait for a view, in ms. */
export function patienceMs(view: Attendance, nowMs: number): number {
  if (view.lateMs !== null && nowMs - view.lateMs < LATE_MEMORY_MS) return LATE_PATIENCE_MS;
  return view.troubled ? TROUBLED_PATIENCE_MS : PATIENCE_MS;
}

/**
 * Returns which views the others go on without, by index.
 *
 * None where nobody could go on: while no view has a picture, now or later, the class waits.
 */
export function latecomers(views: readonly Attendance[], waitedMs: number, nowMs: number): number[] {
  if (!views.some((view) => view.arrived && view.hasMore)) return [];
  return views.flatMap((view, index) => (!view.arrived && waitedMs >= patienceMs(view, nowMs) ? [index] : []));
}

/** Returns how far ahead of the class a late view is to load, in seconds, after so many tries. */
export function aheadS(tries: number): number {
  return AHEAD_S[Math.min(tries, AHEAD_S.length - 1)] ?? AHEAD_S[0];
}
