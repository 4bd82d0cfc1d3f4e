/** The views that the others have gone on without: how one leaves, and how it comes back while the class plays. */

import type { Seat } from "./view_slot.ts";
import { aheadS } from "./wait_policy.ts";

/** How much a view that ran dry loads before it joins again, so that it does not run dry at once; seconds. */
export const JOIN_DRY_S = 3;
/** The same for a view whose stream was replaced. */
export const JOIN_BROKEN_S = 0.4;
/** A view that joins jumps this much ahead of the class, as a seek takes time; seconds. */
export const JUMP_S = 0.1;
/** A view that does not come to its place in this time is sent ahead anew. */
const JOIN_MS = 3000;
/** A view whose stream has failed again is sent ahead again after this. */
const AGAIN_MS = 300;
/** So near to the class its pictures must be before its plate goes; the follower does the rest. Seconds. */
const NEAR_S = 0.5;

export class Latecomers {
  constructor(private readonly tell: (trackId: string, late: boolean) => void) {}

  /** Lets the others go on without a view that should have a picture. */
  leave(seat: Seat, needsS: number): void {
    if (seat.late !== null) return;
    seat.late = { needsS, tries: 0, aimS: -Infinity, aimedMs: -Infinity, joiningMs: null };
    seat.lateMs = performance.now();
    seat.settled = false;
    seat.drySinceMs = null;
    seat.screen.video.pause();
    this.tell(seat.screen.track.id, true);
  }

  /** Takes a view back that shows its picture, or has none any more. */
  welcome(seat: Seat): void {
    if (seat.late === null) return;
    seat.late = null;
    seat.lateMs = performance.now();
    this.tell(seat.screen.track.id, false);
  }

  /** Begins anew after a stop or a seek of the class. */
  halt(seat: Seat): void {
    if (seat.late !== null) Object.assign(seat.late, { tries: 0, aimS: -Infinity, joiningMs: null });
  }

  /** Loads a late view ahead of the class, lets it play under its plate, and takes it back when it shows its place. */
  bringBack(seat: Seat, atS: number, now: number, rate: number): void {
    const { screen, late } = seat;
    if (late === null) return;
    if (late.joiningMs !== null && now - late.joiningMs < JOIN_MS) {
      const shownS = screen.reading.last?.classS ?? -Infinity;
      if (!screen.ready || screen.video.seeking || Math.abs(shownS - atS) > NEAR_S) return;
      seat.follower.reset(now);
      this.welcome(seat);
    } else if (screen.holds(atS, late.needsS)) {
      late.joiningMs = now;
      screen.setRate(rate);
      screen.jump(atS + JUMP_S * rate);
      void screen.play().catch(() => undefined);
    } else if (screen.broken && screen.trouble === null && now - late.aimedMs > AGAIN_MS) {
      // What it was sent to has failed, not its line: it is tried further on, or otherwise, at once.
      this.aim(seat, atS + aheadS(0) * rate, now);
    } else if (atS > late.aimS || atS < late.aimS - aheadS(late.tries)) {
      this.aim(seat, atS + aheadS(late.tries++) * rate, now);
    }
  }

  private aim({ screen, late }: Seat, aimS: number, now: number): void {
    if (late === null) return;
    Object.assign(late, { joiningMs: null, aimedMs: now, aimS });
    screen.video.pause();
    screen.jump(aimS);
  }
}
