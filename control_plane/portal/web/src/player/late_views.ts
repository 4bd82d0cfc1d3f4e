/** Views that the others continued without: how one is marked late, and how it rejoins while the class plays. */
import type { ViewSlot } from "./view_slot.ts";
import { preloadAheadS } from "./wait_policy.ts";

/** How much a stalled view loads before it rejoins, so that it does not stall again at once; seconds. */
export const REJOIN_STALLED_S = 3;
/** The same for a view whose stream was replaced. */
export const REJOIN_BROKEN_S = 0.4;
/** A seek while playing aims this much ahead of the class, because the seek itself takes time; seconds. */
export const SEEK_LEAD_S = 0.1;
/** A view that does not reach its place in this time is sent ahead again. */
const REJOIN_TIMEOUT_MS = 3000;
/** Least time between two seeks of a view whose stream fails. */
const RETRY_SEEK_MS = 300;
/** The picture is revealed when it is this close to the class; drift control does the rest. Seconds. */
const IN_PLACE_S = 0.5;

export class LateViews {
  constructor(private readonly onChange: (trackId: string, isLate: boolean) => void) {}

  /** Lets the others continue without a view that should have a picture. */
  markLate(slot: ViewSlot, bufferS: number): void {
    if (slot.late !== null) return;
    slot.late = { bufferS, attempts: 0, targetS: -Infinity, seekedMs: -Infinity, rejoiningSinceMs: null };
    slot.lateMs = performance.now();
    slot.isSettled = false;
    slot.stalledSinceMs = null;
    slot.player.video.pause();
    this.onChange(slot.player.track.id, true);
  }

  /** Takes back a view that shows its picture, or has none to show any more. */
  clearLate(slot: ViewSlot): void {
    if (slot.late === null) return;
    slot.late = null;
    slot.lateMs = performance.now();
    this.onChange(slot.player.track.id, false);
  }

  /** Forgets earlier attempts after the class was paused or moved. */
  reset(slot: ViewSlot): void {
    if (slot.late !== null) Object.assign(slot.late, { attempts: 0, targetS: -Infinity, rejoiningSinceMs: null });
  }

  /**
   * Advances a late view by one step; called on every tick.
   *
   * The view loads ahead of the class, plays hidden when the class reaches what it has loaded, and is revealed once its
   * picture is in place.
   */
  advance(slot: ViewSlot, atS: number, nowMs: number, rate: number): void {
    const { player, late } = slot;
    if (late === null) return;
    if (late.rejoiningSinceMs !== null && nowMs - late.rejoiningSinceMs < REJOIN_TIMEOUT_MS) {
      const shownS = player.frameClock.last?.classS ?? -Infinity;
      if (!player.ready || player.video.seeking || Math.abs(shownS - atS) > IN_PLACE_S) return;
      slot.driftControl.reset(nowMs);
      this.clearLate(slot);
    } else if (player.holds(atS, late.bufferS)) {
      late.rejoiningSinceMs = nowMs;
      player.setRate(rate);
      player.jump(atS + SEEK_LEAD_S * rate);
      void player.play().catch(() => undefined);
    } else if (player.broken && player.error === null && nowMs - late.seekedMs > RETRY_SEEK_MS) {
      // The media at the target failed, not the network: try the next place at once instead of aiming further ahead.
      this.seekAhead(slot, atS + preloadAheadS(0) * rate, nowMs);
    } else if (atS > late.targetS || atS < late.targetS - preloadAheadS(late.attempts)) {
      // The class has passed the target before it was loaded, or was moved back so far that the target is out of reach.
      this.seekAhead(slot, atS + preloadAheadS(late.attempts++) * rate, nowMs);
    }
  }

  private seekAhead({ player, late }: ViewSlot, targetS: number, nowMs: number): void {
    if (late === null) return;
    Object.assign(late, { rejoiningSinceMs: null, seekedMs: nowMs, targetS });
    player.video.pause();
    player.jump(targetS);
  }
}
