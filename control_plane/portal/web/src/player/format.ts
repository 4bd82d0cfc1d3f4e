/** Times as text. Pure. */
import { gettext, language, ngettext, numberText } from "../i18n.ts";

/** Returns `m:ss` or `h:mm:ss`. */
export function clockText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const h = Math.floor(whole / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const s = String(whole % 60).padStart(2, "0");
  return h > 0 ? `${h}:${String(m).padStart(2, "0")}:${s}` : `${m}:${s}`;
}

/** Returns the hundredths of a second as `.07`. */
export function hundredths(seconds: number): string {
  return `.${String(Math.floor((Math.max(0, seconds) % 1) * 100 + 1e-6)).padStart(2, "0")}`;
}

/** Returns `1 minute 3 seconds`, for a screen reader. */
export function spokenTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const parts = [
    hours > 0 ? ngettext("%(count)s hour", "%(count)s hours", hours) : "",
    minutes > 0 ? ngettext("%(count)s minute", "%(count)s minutes", minutes) : "",
    rest > 0 || whole < 60 ? ngettext("%(count)s second", "%(count)s seconds", rest) : "",
  ];
  return parts.filter((part) => part !== "").join(" ");
}

/** Returns a duration as `0.8 s`, `19 s`, `2 min 5 s`. */
export function lengthText(seconds: number): string {
  if (seconds < 9.95) return gettext("%(seconds)s s", { seconds: numberText(seconds, 1) });
  const whole = Math.round(seconds);
  if (whole < 60) return gettext("%(seconds)s s", { seconds: whole });
  const rest = whole % 60;
  return rest === 0
    ? gettext("%(minutes)s min", { minutes: whole / 60 })
    : gettext("%(minutes)s min %(seconds)s s", { minutes: Math.floor(whole / 60), seconds: rest });
}

/** An error bound this large means "unknown": `ERROR_BOUND_MOST_US` of the wire protocol, in ms. */
const UNKNOWN_ERROR_MS = 1_800_000;

/**
 * Returns how a camera's frames were timestamped, and how exactly.
 *
 * The bound is relative to the clock that timestamped them. Views of one agent are closer to each other than their bounds
 * suggest, because they share the error of the agent's clock.
 */
export function clockMethodText(method: string, errorMs: number): string {
  if (errorMs >= UNKNOWN_ERROR_MS) return gettext("Timestamped before the agent knew the time");
  const bound =
    errorMs >= 1000
      ? lengthText(errorMs / 1000)
      : gettext("%(milliseconds)s ms", { milliseconds: numberText(errorMs, errorMs < 10 ? 1 : 0, true) });
  switch (method) {
    case "rtcp_sr":
      return gettext("Timestamped by the camera's clock, within %(bound)s of it", { bound });
    case "arrival":
      return gettext("Timestamped on arrival, within %(bound)s of the server's clock", { bound });
    default:
      return gettext("Timestamped by %(method)s, within %(bound)s", { method, bound });
  }
}

/** Returns the time of day `HH:MM:SS` at a class time, in `timeZone` (default: the viewer's). */
export function wallText(startAtMs: number, classS: number, timeZone?: string): string {
  return new Intl.DateTimeFormat(language(), {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    ...(timeZone ? { timeZone } : {}),
  }).format(startAtMs + classS * 1000);
}
