/**
 * Parks views while their cameras have no picture: pauses a view when its blank begins, loads the end of the blank while the
 * view is hidden, and lets it rejoin there. `sync_group` decides when.
 */
import { type LateViews, SEEK_LEAD_S } from "./late_views.ts";
import { blankAt, frameAt, type Gap, sameGap } from "./timeline.ts";
import type { ViewSlot } from "./view_slot.ts";

/** How long before the end of its blank a parked view is preloaded. Earlier would load media that may never be shown. */
const PRELOAD_S = 6;

/** What parking reads of the group. */
export interface MasterTime {
  readonly timeS: number;
  readonly lastS: number;
  readonly rate: number;
  readonly state: string;
}

export class GapParking {
  constructor(
    private readonly master: MasterTime,
    private readonly lateViews: LateViews,
    private readonly showBlank: (trackId: string, blank: Gap | null, freeze: boolean) => void,
  ) {}

  /** Parks a view exactly when its blank begins, where that is within `tickMs`, before the next tick. */
  schedule(slot: ViewSlot, atS: number, tickMs: number): void {
    const soonS = atS + (tickMs / 1000) * this.master.rate;
    const blank = blankAt(slot.player.track, soonS);
    if (blank === null) return;
    window.setTimeout(
      () => {
        if (this.master.state === "playing" && slot.blank === null) this.park(slot, blank);
      },
      // Class seconds to wall milliseconds, minus half a frame at 60 Hz: late, the first missing picture would show.
      Math.max(0, ((blank.fromS - atS) / this.master.rate) * 1000 - 8),
    );
  }

  /** Pauses a view whose blank begins. */
  park(slot: ViewSlot, blank: Gap): void {
    slot.seekCount++;
    slot.player.video.pause();
    slot.preloadedToS = null;
    this.setBlank(slot, blank, true);
    this.preload(slot, this.master.timeS);
  }

  /** Seeks a parked view to the end of its blank while it is hidden, so that it is loaded in time. */
  preload(slot: ViewSlot, atS: number): void {
    const { blank, player } = slot;
    if (blank === null || blank.toS >= this.master.lastS || slot.preloadedToS === blank.toS) return;
    if (blank.toS - atS > PRELOAD_S * Math.max(1, this.master.rate)) return;
    slot.preloadedToS = blank.toS;
    // Just past the end: rounding must not place it inside the blank.
    void player.show(blank.toS + 0.001);
  }

  /** Plays a view whose blank has ended. */
  unpark(slot: ViewSlot, atS: number): void {
    const { player } = slot;
    this.setBlank(slot, null, false);
    slot.isSettled = false;
    slot.driftControl.reset(performance.now());
    player.frameClock.clear();
    player.setRate(this.master.rate);
    const frame = frameAt(player.track, atS);
    const mediaS = player.video.currentTime;
    if (player.broken || (frame !== null && Math.abs(mediaS - frame.mediaS) > 0.25))
      player.jump(atS + SEEK_LEAD_S * this.master.rate);
    void player.play().catch(() => undefined);
  }

  /** Sets or clears the blank of a view; `freeze` keeps its last picture in sight. */
  setBlank(slot: ViewSlot, blank: Gap | null, freeze: boolean): void {
    if (blank !== null) this.lateViews.clearLate(slot);
    if (sameGap(slot.blank, blank)) return;
    this.showBlank(slot.player.track.id, blank, freeze);
    slot.blank = blank;
  }
}
