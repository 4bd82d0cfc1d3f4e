/** The stage: which views are shown and how (a pure `Arrangement`), and the tiles that show them. */
import { gettext } from "../i18n.ts";
import { el, icon, setIcon } from "./dom.ts";
import type { Gap, Track } from "./timeline.ts";

/** `shown` is in the order of the cameras on the wall; `lead` is the large view in the shape `lead`. */
export interface Arrangement {
  readonly shown: readonly string[];
  readonly lead: string;
  readonly shape: "lead" | "row";
}

/** Returns the arrangement a class opens with: all views, the centre one large. */
export function openingArrangement(tracks: readonly Track[]): Arrangement {
  const lead = tracks.find((track) => track.position === "centre") ?? tracks[0];
  return { shown: tracks.map((track) => track.id), lead: lead?.id ?? "", shape: "lead" };
}

/** Makes a view large, and shows it where it was hidden. */
export function withLead(now: Arrangement, id: string, order: readonly string[]): Arrangement {
  const shown = order.filter((other) => other === id || now.shown.includes(other));
  return { shown, lead: id, shape: "lead" };
}

/** Shows or hides a view; the last one stays. */
export function withToggled(now: Arrangement, id: string, order: readonly string[]): Arrangement {
  const shown = order.filter((other) => (other === id ? !now.shown.includes(id) : now.shown.includes(other)));
  if (shown.length === 0) return now;
  return { ...now, shown, lead: shown.includes(now.lead) ? now.lead : (shown[0] ?? now.lead) };
}

/** Shows one view alone, or all of them again where it is alone already. */
export function withSolo(now: Arrangement, id: string, order: readonly string[]): Arrangement {
  const alone = now.shown.length === 1 && now.shown[0] === id;
  return { ...now, lead: id, shown: alone ? [...order] : [id] };
}

export function withShape(now: Arrangement, shape: Arrangement["shape"]): Arrangement {
  return { ...now, shape };
}

/** Returns a stored arrangement if it fits these tracks, else null. */
export function restoreArrangement(stored: string | null, tracks: readonly Track[]): Arrangement | null {
  if (stored === null) return null;
  try {
    const { shown, lead, shape } = JSON.parse(stored) as { shown: string[]; lead: string; shape: string };
    const of = (position: string): string | undefined => tracks.find((track) => track.position === position)?.id;
    const ids = shown.map(of).filter((id) => id !== undefined);
    const leadId = of(lead);
    if (leadId === undefined || !ids.includes(leadId) || (shape !== "lead" && shape !== "row")) return null;
    return { shown: tracks.map((track) => track.id).filter((id) => ids.includes(id)), lead: leadId, shape };
  } catch {
    return null;
  }
}

/** Returns an arrangement for storage: with camera positions in place of track ids, which differ for each class. */
export function serializeArrangement(now: Arrangement, tracks: readonly Track[]): string {
  const position = (id: string): string => tracks.find((track) => track.id === id)?.position ?? "";
  return JSON.stringify({ shown: now.shown.map(position), lead: position(now.lead), shape: now.shape });
}

/** An older copy is not the last picture before a gap. */
const FRAME_COPY_MAX_AGE_MS = 1500;

export interface TileEvents {
  pick(id: string): void;
  solo(id: string): void;
  listen(id: string): void;
}

/** One view: the video, its name, and an overlay when there is no picture. */
export class Tile {
  readonly root: HTMLElement;
  readonly video: HTMLVideoElement;
  private readonly freeze: HTMLCanvasElement;
  private readonly overlay: HTMLElement;
  private readonly overlayTitle: HTMLElement;
  private readonly overlayDetail: HTMLElement;
  private readonly pick: HTMLButtonElement;
  private readonly listen: HTMLButtonElement | null;
  private refused = false;
  private blank = false;
  private late: string | null = null;
  private copiedMs = -Infinity;

  constructor(
    readonly track: Track,
    events: TileEvents,
  ) {
    const { id, name } = track;
    this.video = el("video", { class: "tile__video", playsinline: true, preload: "auto", tabindex: -1 });
    this.video.muted = true;
    this.video.disablePictureInPicture = true;
    // The video runs out of pictures a moment before a gap; hls.js then seeks over it, and the last picture would be lost.
    this.video.addEventListener("waiting", () => {
      if (this.freeze.hidden) this.copyFrame();
    });
    this.freeze = el("canvas", { class: "tile__freeze", hidden: true, "aria-hidden": "true" });
    this.overlayTitle = el("span", { class: "overlay__title" });
    this.overlayDetail = el("span", { class: "overlay__detail" });
    this.overlay = el("div", { class: "overlay", hidden: true }, icon("dark"), this.overlayTitle, this.overlayDetail);
    this.pick = el("button", {
      type: "button",
      class: "tile__select",
      click: () => events.pick(id),
      dblclick: () => events.solo(id),
    });
    this.listen = track.audio
      ? el(
          "button",
          {
            type: "button",
            class: "tile__listen",
            "aria-pressed": "false",
            "aria-label": gettext("Sound from %(camera)s", { camera: name }),
            title: gettext("Sound from %(camera)s", { camera: name }),
            click: () => events.listen(id),
          },
          icon("silent"),
        )
      : null;
    this.root = el(
      "div",
      {
        class: "tile",
        role: "group",
        "aria-label": gettext("%(camera)s camera", { camera: name }),
        "data-position": track.position,
        "data-track": id,
      },
      this.video,
      this.freeze,
      el("div", { class: "tile__loading", "aria-hidden": "true" }, el("span")),
      this.overlay,
      this.pick,
      el(
        "span",
        { class: "tile__label", "aria-hidden": "true" },
        el("i", { class: "swatch" }),
        el("span", { class: "tile__name" }, name),
      ),
      this.listen,
    );
  }

  /** Applies the arrangement: hidden, large, or one of several. */
  place(arrangement: Arrangement): void {
    const { id, name } = this.track;
    const shown = arrangement.shown.includes(id);
    const lead = arrangement.lead === id && (arrangement.shape === "lead" || arrangement.shown.length === 1);
    this.root.hidden = !shown;
    this.root.dataset["lead"] = String(lead);
    this.pick.setAttribute(
      "aria-label",
      lead
        ? gettext("Play or pause (%(camera)s is large)", { camera: name })
        : gettext("Enlarge %(camera)s", { camera: name }),
    );
  }

  setAudible(audible: boolean): void {
    if (this.listen === null) return;
    this.listen.setAttribute("aria-pressed", String(audible));
    setIcon(this.listen, audible ? "sound" : "silent");
  }

  markShown(): void {
    this.root.dataset["pictured"] = "true";
  }

  /** Shows that there is no picture in a stretch, over the last picture if `freeze`; null removes the overlay. */
  setBlank(blank: Gap | null, between: string, freeze: boolean): void {
    if (this.refused) return;
    this.blank = blank !== null;
    this.root.dataset["blank"] = String(this.blank);
    if (blank === null) {
      this.overlay.hidden = true;
      this.freeze.hidden = true;
      if (this.late !== null) this.setLate(this.late);
      return;
    }
    if (freeze) this.copyFrame();
    this.freeze.hidden = !freeze || performance.now() - this.copiedMs > FRAME_COPY_MAX_AGE_MS;
    this.showOverlay(
      gettext("%(camera)s camera: no picture", { camera: this.track.name }),
      `${between} · ${blank.label}`,
    );
  }

  /** Shows why the others continue without this view; null removes the overlay. */
  setLate(why: string | null): void {
    if (this.refused) return;
    this.late = why;
    this.root.dataset["late"] = String(why !== null);
    if (this.blank) return;
    this.freeze.hidden = true;
    this.overlay.hidden = why === null;
    if (why !== null) this.showOverlay(gettext("%(camera)s camera: loading", { camera: this.track.name }), why);
  }

  /** Hides the picture. */
  hidePicture(): void {
    this.root.dataset["pictured"] = "false";
    this.freeze.hidden = true;
    this.copiedMs = -Infinity;
  }

  /** Shows permanently why this view cannot be shown. */
  refuse(reason: string): void {
    this.refused = true;
    this.root.dataset["refused"] = "true";
    this.showOverlay(gettext("%(camera)s camera cannot be shown", { camera: this.track.name }), reason);
  }

  private showOverlay(title: string, detail: string): void {
    this.overlayTitle.textContent = title;
    this.overlayDetail.textContent = detail;
    this.overlay.hidden = false;
    this.markShown();
  }

  /** Copies the current picture of the video, to show it after the video has moved on. */
  private copyFrame(): void {
    // A failed or seeking video has no picture to copy.
    if (this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    this.freeze.width = this.video.videoWidth;
    this.freeze.height = this.video.videoHeight;
    this.freeze.getContext("2d")?.drawImage(this.video, 0, 0);
    this.copiedMs = performance.now();
  }
}

/** All tiles, in their arrangement. */
export class Stage {
  readonly root: HTMLElement;
  readonly notice: HTMLElement;
  private readonly grid: HTMLElement;
  private readonly start: HTMLButtonElement;

  constructor(
    private readonly tiles: readonly Tile[],
    onStart: () => void,
  ) {
    this.notice = el("div", { class: "stage__notice", role: "status", "aria-live": "polite" });
    this.start = el(
      "button",
      {
        type: "button",
        class: "stage__start",
        "aria-label": gettext("Play"),
        tabindex: -1,
        hidden: true,
        click: onStart,
      },
      icon("play"),
    );
    this.grid = el("div", { class: "stage__grid" }, ...tiles.map((tile) => tile.root), this.start);
    this.root = el("div", { class: "stage" }, this.grid, this.notice);
    const first = tiles[0]?.track;
    if (first !== undefined && first.width > 0 && first.height > 0) {
      const aspect = Math.min(Math.max(first.width / first.height, 0.6), 2);
      this.root.style.setProperty("--tile-aspect", aspect.toFixed(4));
    }
  }

  arrange(arrangement: Arrangement): void {
    const count = arrangement.shown.length;
    this.grid.dataset["shape"] = count === 1 ? "solo" : arrangement.shape;
    this.grid.dataset["count"] = String(count);
    this.grid.style.setProperty("--count", String(count));
    this.grid.style.setProperty("--small", String(Math.max(1, count - 1)));
    for (const tile of this.tiles) tile.place(arrangement);
  }

  offerStart(offered: boolean): void {
    this.start.hidden = !offered;
  }
}
