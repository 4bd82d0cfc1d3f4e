/**
 * Whether the replay may go on, asked every few seconds: what is loaded plays without asking anybody, and a right that
 * was taken away must stop it all the same. Any answer of the playback to another request counts as one to this.
 */
import { type Trouble, troubleOfStatus } from "./player_error.ts";

/** With a slow answer on top the picture is gone within 5 s of the right. */
export const ASK_EVERY_MS = 2500;
const ANSWER_TIMEOUT_MS = 2000;
const REFUSALS = new Set([401, 403, 404, 410]);

type Ask = (url: string, timeoutMs: number) => Promise<number | null>;

export class Permit {
  private heardMs = 0;
  private timer = 0;
  private asking = false;
  private readonly onVisible = (): void => {
    if (document.visibilityState === "visible") void this.look(performance.now());
  };

  constructor(
    private readonly url: string,
    private readonly refused: (trouble: Trouble) => void,
    private readonly ask: Ask = askServer,
  ) {}

  /** Asks from now on until it is stopped or refused. */
  start(): void {
    this.heard(performance.now());
    this.timer = window.setInterval(() => void this.look(performance.now()), ASK_EVERY_MS / 5);
    document.addEventListener("visibilitychange", this.onVisible);
  }

  stop(): void {
    window.clearInterval(this.timer);
    this.timer = 0;
    document.removeEventListener("visibilitychange", this.onVisible);
  }

  /** Notes that a request of the replay was answered. */
  heard(nowMs: number): void {
    this.heardMs = Math.max(this.heardMs, nowMs);
  }

  /** Asks, where nothing was heard for long enough. An answer that does not come is asked for again. */
  async look(nowMs: number): Promise<void> {
    if (this.asking || nowMs - this.heardMs < ASK_EVERY_MS) return;
    this.asking = true;
    await this.isAllowed(nowMs);
    this.asking = false;
  }

  /**
   * Asks now and returns whether the replay may go on; what a refused piece of the class does not tell, as a damaged
   * one is refused to everybody. No answer is no refusal.
   */
  async isAllowed(nowMs: number): Promise<boolean> {
    const status = await this.ask(this.url, ANSWER_TIMEOUT_MS);
    if (status === null || status >= 500) return true;
    if (REFUSALS.has(status)) {
      this.stop();
      this.refused(troubleOfStatus(status));
      return false;
    }
    this.heard(nowMs);
    return true;
  }
}

async function askServer(url: string, timeoutMs: number): Promise<number | null> {
  const signal = AbortSignal.timeout(timeoutMs);
  const answer = await fetch(url, { credentials: "same-origin", cache: "no-store", signal }).catch(() => null);
  return answer?.status ?? null;
}
