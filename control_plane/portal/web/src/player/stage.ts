/** Which views are on the stage and how they lie: a pure arrangement, and the tiles that show it. */
import { el, icon, setIcon } from "./dom.ts";
import type { Gap, Track } from "./timeline.ts";

/** `shown` keeps the order of the wall; `lead` is the large one where the shape is `lead`. */
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

/** Returns a stored arrangement where it still fits these tracks, else null. */
export function revive(stored: string | null, tracks: readonly Track[]): Arrangement | null {
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

/** Returns an arrangement to store: by position, so that it fits the next class too. */
export function keepsake(now: Arrangement, tracks: readonly Track[]): string {
  const position = (id: string): string => tracks.find((track) => track.id === id)?.position ?? "";
  return JSON.stringify({ shown: now.shown.map(position), lead: position(now.lead), shape: now.shape });
}

/** A picture copied longer ago than this is not the last one before a gap. */
const KEPT_MS = 1500;

export interface TileEvents {
  pick(id: string): void;
  solo(id: string): void;
  listen(id: string): void;
}

/** One view on the stage: the video, its name, and a plate where there is no picture. */
export class Tile {
  readonly root: HTMLElement;
  readonly video: HTMLVideoElement;
  private readonly freeze: HTMLCanvasElement;
  private readonly plate: HTMLElement;
  private readonly plateTitle: HTMLElement;
  private readonly plateDetail: HTMLElement;
  private readonly pick: HTMLButtonElement;
  private readonly listen: HTMLButtonElement | null;
  private refused = false;
  private blank = false;
  private late: string | null = null;
  private keptMs = -Infinity;

  constructor(
    readonly track: Track,
    events: TileEvents,
  ) {
    const { id, name } = track;
    this.video = el("video", { class: "tile__video", playsinline: true, preload: "auto", tabindex: -1 });
    this.video.muted = true;
    this.video.disablePictureInPicture = true;
    // It waits where its pictures end, often a moment before a gap; hls.js then seeks, and the picture would be gone.
    this.video.addEventListener("waiting", () => {
      if (this.freeze.hidden) this.keepPicture();
    });
    this.freeze = el("canvas", { class: "tile__freeze", hidden: true, "aria-hidden": "true" });
    this.plateTitle = el("span", { class: "plate__title" });
    this.plateDetail = el("span", { class: "plate__detail" });
    this.plate = el("div", { class: "plate", hidden: true }, icon("dark"), this.plateTitle, this.plateDetail);
    this.pick = el("button", {
      type: "button",
      class: "tile__pick",
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
            "aria-label": `Sound from ${name}`,
            title: `Sound from ${name}`,
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
        "aria-label": `${name} camera`,
        "data-position": track.position,
        "data-track": id,
      },
      this.video,
      this.freeze,
      el("div", { class: "tile__loading", "aria-hidden": "true" }, el("span")),
      this.plate,
      this.pick,
      el(
        "span",
        { class: "tile__label", "aria-hidden": "true" },
        el("i", { class: "gel" }),
        el("span", { class: "tile__name" }, name),
      ),
      this.listen,
    );
  }

  /** Says where it lies: hidden, large, or beside others. */
  place(arrangement: Arrangement): void {
    const { id, name } = this.track;
    const shown = arrangement.shown.includes(id);
    const lead = arrangement.lead === id && (arrangement.shape === "lead" || arrangement.shown.length === 1);
    this.root.hidden = !shown;
    this.root.dataset["lead"] = String(lead);
    this.pick.setAttribute("aria-label", lead ? `Play or pause, ${name} is large` : `Make ${name} large`);
  }

  setAudible(audible: boolean): void {
    if (this.listen === null) return;
    this.listen.setAttribute("aria-pressed", String(audible));
    setIcon(this.listen, audible ? "sound" : "silent");
  }

  pictured(): void {
    this.root.dataset["pictured"] = "true";
  }

  /** Shows that there is no picture between two times, over the last one where `freeze`; null takes the plate away. */
  setBlank(blank: Gap | null, between: string, freeze: boolean): void {
    if (this.refused) return;
    this.blank = blank !== null;
    this.root.dataset["blank"] = String(this.blank);
    if (blank === null) {
      this.plate.hidden = true;
      this.freeze.hidden = true;
      if (this.late !== null) this.setLate(this.late);
      return;
    }
    if (freeze) this.keepPicture();
    this.freeze.hidden = !freeze || performance.now() - this.keptMs > KEPT_MS;
    this.showPlate(`${this.track.name} camera: no picture`, `${between} · ${blank.label}`);
  }

  /** Shows that the others go on without this view, and why; null takes the plate away. */
  setLate(why: string | null): void {
    if (this.refused) return;
    this.late = why;
    this.root.dataset["late"] = String(why !== null);
    if (this.blank) return;
    this.freeze.hidden = true;
    this.plate.hidden = why === null;
    if (why !== null) this.showPlate(`${this.track.name} camera: waiting for its picture`, why);
  }

  /** Takes the picture away. */
  conceal(): void {
    this.root.dataset["pictured"] = "false";
    this.freeze.hidden = true;
    this.keptMs = -Infinity;
  }

  /** Says for good why this view cannot be shown. */
  refuse(reason: string): void {
    this.refused = true;
    this.root.dataset["refused"] = "true";
    this.showPlate(`${this.track.name} camera cannot be shown here`, reason);
  }

  private showPlate(title: string, detail: string): void {
    this.plateTitle.textContent = title;
    this.plateDetail.textContent = detail;
    this.plate.hidden = false;
    this.pictured();
  }

  /** Copies the picture that the video shows, so that it can be shown when the video has moved on. */
  private keepPicture(): void {
    // A video that has failed, or seeks, gives its last picture to nobody.
    if (this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    this.freeze.width = this.video.videoWidth;
    this.freeze.height = this.video.videoHeight;
    this.freeze.getContext("2d")?.drawImage(this.video, 0, 0);
    this.keptMs = performance.now();
  }
}

/** The stage: the tiles in their arrangement. */
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
      { type: "button", class: "stage__start", "aria-label": "Play", tabindex: -1, hidden: true, click: onStart },
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
