/** Texts of running durations. Pure. */
import { gettext } from "./i18n.ts";

/** Returns `0:07` or `1:02:03` of elapsed milliseconds; never negative. */
export function elapsedText(ms: number): string {
  const whole = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const tail = `${h > 0 ? String(m).padStart(2, "0") : m}:${String(s).padStart(2, "0")}`;
  return h > 0 ? `${h}:${tail}` : tail;
}

/** Returns the time left as `9:59`, or `expired`. */
export function countdownText(ms: number): string {
  return ms <= 0 ? gettext("expired") : elapsedText(ms + 999);
}
