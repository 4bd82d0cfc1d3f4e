/** Times as text. Pure. */

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
  const units: [number, string][] = [
    [Math.floor(whole / 3600), "hour"],
    [Math.floor((whole % 3600) / 60), "minute"],
    [whole % 60, "second"],
  ];
  const text = units
    .filter(([count, unit], index) => count > 0 || (unit === "second" && index === 2 && whole < 60))
    .map(([count, unit]) => `${count} ${unit}${count === 1 ? "" : "s"}`);
  return text.join(" ");
}

/** Returns a duration as `0.8 s`, `19 s`, `2 min 5 s`. */
export function lengthText(seconds: number): string {
  if (seconds < 9.95) return `${(Math.round(seconds * 10) / 10).toString()} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const rest = whole % 60;
  return rest === 0 ? `${whole / 60} min` : `${Math.floor(whole / 60)} min ${rest} s`;
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
  if (errorMs >= UNKNOWN_ERROR_MS) return "Dated before the agent knew the time";
  const bound =
    errorMs >= 1000
      ? lengthText(errorMs / 1000)
      : `${errorMs < 10 ? errorMs.toFixed(1) : Math.round(errorMs).toString()} ms`;
  switch (method) {
    case "rtcp_sr":
      return `Dated by the camera's own clock, within ${bound} of it`;
    case "arrival":
      return `Dated by time of arrival, within ${bound} of the server's clock`;
    default:
      return `Dated by ${method}, within ${bound}`;
  }
}

/** Returns the time of day `HH:MM:SS` at a class time, in `timeZone` (default: the viewer's). */
export function wallText(startAtMs: number, classS: number, timeZone?: string): string {
  return new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    ...(timeZone ? { timeZone } : {}),
  }).format(startAtMs + classS * 1000);
}
