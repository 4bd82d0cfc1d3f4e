/**
 * Asks the server every few seconds whether the viewer may still watch.
 *
 * Media that is already loaded plays without any request, so a permission that is revoked has to stop playback in
 * another way. Each answer to a playback request proves the permission as well and postpones the next check.
 */
import { errorOfStatus, type PlayerError } from "./player_error.ts";

/** Interval plus answer timeout stay below the 5 s within which a revoked permission has to hide the picture. */
export const CHECK_INTERVAL_MS = 2500;
const ANSWER_TIMEOUT_MS = 2000;
const REFUSALS = new Set([401, 403, 404, 410]);

/** Returns the HTTP status of a request, or null without an answer. */
type FetchStatus = (url: string, timeoutMs: number) => Promise<number | null>;

export class AuthorizationCheck {
  private answeredMs = 0;
  private timer = 0;
  private isChecking = false;
  private readonly onVisible = (): void => {
    if (document.visibilityState === "visible") void this.checkIfDue(performance.now());
  };

  constructor(
    private readonly url: string,
    private readonly onRefused: (error: PlayerError) => void,
    private readonly fetchStatus: FetchStatus = fetchStatusOf,
  ) {}

  /** Checks periodically until stopped or refused. */
  start(): void {
    this.noteAnswer(performance.now());
    // Five times per interval: what postpones a check must not delay the next one by a whole interval.
    this.timer = window.setInterval(() => void this.checkIfDue(performance.now()), CHECK_INTERVAL_MS / 5);
    // Browsers throttle timers of hidden pages.
    document.addEventListener("visibilitychange", this.onVisible);
  }

  stop(): void {
    window.clearInterval(this.timer);
    this.timer = 0;
    document.removeEventListener("visibilitychange", this.onVisible);
  }

  /** Records that a playback request was answered. */
  noteAnswer(nowMs: number): void {
    this.answeredMs = Math.max(this.answeredMs, nowMs);
  }

  /** Checks if no request was answered for an interval; a check without an answer is repeated. */
  async checkIfDue(nowMs: number): Promise<void> {
    if (this.isChecking || nowMs - this.answeredMs < CHECK_INTERVAL_MS) return;
    this.isChecking = true;
    await this.check(nowMs);
    this.isChecking = false;
  }

  /**
   * Checks now and returns whether playback may continue; no answer counts as yes.
   *
   * A refused fragment alone does not tell: a damaged one is refused to everybody.
   */
  async check(nowMs: number): Promise<boolean> {
    const status = await this.fetchStatus(this.url, ANSWER_TIMEOUT_MS);
    if (status === null || status >= 500) return true;
    if (REFUSALS.has(status)) {
      this.stop();
      this.onRefused(errorOfStatus(status));
      return false;
    }
    this.noteAnswer(nowMs);
    return true;
  }
}

async function fetchStatusOf(url: string, timeoutMs: number): Promise<number | null> {
  const signal = AbortSignal.timeout(timeoutMs);
  const answer = await fetch(url, { credentials: "same-origin", cache: "no-store", signal }).catch(() => null);
  return answer?.status ?? null;
}
