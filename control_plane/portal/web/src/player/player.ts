/** The replay of one class: it builds every part, and carries wishes and states between them. */

import { Permit } from "./authorization.ts";
import { type Missing, Notes } from "./class_details.ts";
import { Desk } from "./controls.ts";
import { el } from "./dom.ts";
import { PulseCost } from "./drift_control.ts";
import { Keyboard, type Wish } from "./keyboard.ts";
import type { Trouble } from "./player_error.ts";
import { betweenText, Score } from "./seek_bar.ts";
import {
  type Arrangement,
  keepsake,
  openingArrangement,
  revive,
  Stage,
  Tile,
  withLead,
  withShape,
  withSolo,
  withToggled,
} from "./stage.ts";
import { Ensemble, RATES, type State } from "./sync_group.ts";
import { type ClassTimeline, clamp, type Gap, missingOf, openingS } from "./timeline.ts";
import { Screen } from "./track_player.ts";

const ARRANGEMENT = "threedance.arrangement";
const VOLUME = "threedance.volume";
const PULSE_COST = "threedance.pulse-cost";
const IDLE_MS = 2600;
/** What nothing may be watched after, loaded or not. */
const REFUSED: ReadonlySet<Trouble["kind"]> = new Set(["signed-out", "forbidden", "gone"] as const);

export interface PlayerOptions {
  readonly workerPath: string;
  readonly signInUrl: string;
  /** Where it is asked whether the replay may go on. */
  readonly checkUrl: string;
}

export class Player {
  readonly tiles: readonly Tile[];
  readonly screens: readonly Screen[];
  readonly ensemble: Ensemble;
  private readonly stage: Stage;
  private readonly score: Score;
  private readonly notes: Notes;
  private readonly desk: Desk;
  private readonly keyboard: Keyboard;
  private readonly live: HTMLElement;
  private readonly sync: HTMLElement;
  private readonly permit: Permit;
  private arrangement: Arrangement;
  private audible: string | null;
  private muted = false;
  private volume = clamp(Number(localStorage.getItem(VOLUME) ?? 1) || 1, 0.05, 1);
  private wishesToPlay = false;
  private playsAfterHold = false;
  private hasStarted = false;
  private idleTimer = 0;
  private readonly silences: Missing[] = [];

  constructor(
    private readonly root: HTMLElement,
    private timeline: ClassTimeline,
    private readonly options: PlayerOptions,
  ) {
    const { tracks } = timeline;
    this.tiles = tracks.map(
      (track) =>
        new Tile(track, {
          pick: (id) => this.pick(id),
          solo: (id) => this.arrange(withSolo(this.arrangement, id, this.order)),
          listen: (id) => this.listen(id),
        }),
    );
    this.permit = new Permit(options.checkUrl, (trouble) => this.showTrouble(trouble));
    this.screens = this.tiles.flatMap((tile) => this.screenOf(tile));
    const learnt = new PulseCost(clamp(Number(localStorage.getItem(PULSE_COST)) || 0, -0.08, 0.08));
    const events = {
      state: (state: State) => this.onState(state),
      time: () => undefined,
      blank: (id: string, blank: Gap | null, freeze: boolean) => this.showBlank(id, blank, freeze),
      late: (id: string, late: boolean) => this.showLate(id, late),
      blocked: () => this.onState("paused"),
    };
    this.ensemble = new Ensemble(timeline, this.screens, events, learnt);
    const { firstS, lastS } = this.ensemble;
    const centre = tracks.find((track) => track.audio && track.position === "centre");
    this.audible = (centre ?? tracks.find((track) => track.audio))?.id ?? null;
    this.arrangement = revive(localStorage.getItem(ARRANGEMENT), tracks) ?? openingArrangement(tracks);
    this.stage = new Stage(this.tiles, () => this.ask({ do: "toggle" }));
    this.score = new Score(timeline, firstS, lastS, {
      seek: (classS) => this.seek(classS),
      hold: (held) => this.hold(held),
    });
    this.desk = new Desk(timeline, firstS, lastS, {
      ask: (wish) => this.ask(wish),
      rate: (rate) => this.setRate(rate),
      listen: (id) => this.listen(id),
      volume: (volume) => this.setVolume(volume),
    });
    this.notes = new Notes(timeline, firstS, lastS, (classS) => this.seek(classS));
    this.keyboard = new Keyboard((wish) => this.ask(wish));
    this.live = el("div", { class: "unseen", role: "status", "aria-live": "polite" });
    this.sync = document.querySelector<HTMLElement>("[data-sync]") ?? el("span");
    root.replaceChildren(
      this.stage.root,
      this.score.root,
      this.desk.root,
      this.notes.root,
      this.keyboard.sheet,
      this.live,
    );
    this.arrange(this.arrangement);
    this.desk.showState("loading", false);
    this.desk.showTime(firstS, true);
    this.watch();
  }

  private get order(): string[] {
    return this.timeline.tracks.map((track) => track.id);
  }

  /** Opens at `#t=` seconds from the first picture, or at the first instant all cameras show. */
  async open(): Promise<void> {
    const asked = /[#&]t=([\d.]+)/.exec(location.hash)?.[1];
    const { firstS, lastS } = this.ensemble;
    const fromS = asked === undefined ? openingS(this.timeline) : clamp(firstS + Number(asked), firstS, lastS);
    await this.ensemble.open(fromS);
    this.root.dataset["openedMs"] = performance.now().toFixed(0);
  }

  /** Does what a key or a button asks for. */
  ask(wish: Wish): void {
    const { ensemble } = this;
    const track = "index" in wish ? this.timeline.tracks[wish.index] : undefined;
    switch (wish.do) {
      case "toggle":
        this.setPlaying(!this.wishesToPlay);
        break;
      case "skip":
        this.seek(ensemble.timeS + wish.seconds);
        break;
      case "step":
        this.wishesToPlay = false;
        void ensemble.step(wish.frames);
        break;
      case "start":
        this.seek(ensemble.firstS);
        break;
      case "end":
        this.seek(ensemble.lastS);
        break;
      case "rate":
        this.setRate(neighbour(ensemble.rate, wish.steps));
        break;
      case "volume":
        this.setVolume((this.muted ? 0 : this.volume) + wish.by);
        break;
      case "mute":
        this.muted = !this.muted;
        this.sound();
        break;
      case "lead":
        if (track) this.arrange(withLead(this.arrangement, track.id, this.order));
        break;
      case "show":
        if (track) this.arrange(withToggled(this.arrangement, track.id, this.order));
        break;
      case "listen":
        if (track?.audio) this.listen(track.id);
        break;
      case "shape":
        this.arrange(withShape(this.arrangement, this.arrangement.shape === "lead" ? "row" : "lead"));
        break;
      case "next-gap":
        this.seekGap();
        break;
      case "fullscreen":
        void this.toggleFullscreen();
        break;
      case "help":
        this.keyboard.open();
        break;
    }
  }

  private screenOf(tile: Tile): Screen[] {
    const reason = Screen.refusal(tile.track);
    if (reason !== null) tile.refuse(reason);
    if (reason !== null || tile.track.fragments.length === 0) {
      if (reason === null) {
        const why = missingOf(tile.track)[0];
        tile.refuse(why ? `Nothing to show: ${why.label}.` : "Nothing to show.");
      }
      return [];
    }
    return [
      new Screen(tile.track, tile.video, this.options.workerPath, {
        shown: (shown, mediaS) => {
          tile.pictured();
          tile.root.dataset["firstPictureMs"] ??= performance.now().toFixed(0);
          this.report("frame", { track: tile.track.id, classS: shown.classS, mediaS, atMs: shown.atMs });
        },
        trouble: () => this.weighTroubles(),
        refused: (trouble) => this.showTrouble(trouble),
        permitted: () => this.permit.isAllowed(performance.now()),
        broken: () => this.ensemble.mend(),
        lost: (gap) => this.lose(tile.track.id, gap),
        silenced: (stretch) => this.noteSilence(tile, stretch),
        answered: () => this.permit.heard(performance.now()),
      }),
    ];
  }

  private pick(id: string): void {
    const { lead, shape, shown } = this.arrangement;
    if (shown.length === 1 || (shape === "lead" && lead === id)) this.setPlaying(!this.wishesToPlay);
    else this.arrange(withLead(this.arrangement, id, this.order));
  }

  private setPlaying(playing: boolean): void {
    this.wishesToPlay = playing;
    this.desk.showState(this.ensemble.state, playing);
    this.stage.offerStart(false);
    void (playing ? this.ensemble.play() : this.ensemble.pause());
  }

  private seek(classS: number): void {
    void this.ensemble.seek(classS);
    this.showTime();
  }

  private seekGap(): void {
    const atS = this.ensemble.timeS;
    const next = this.timeline.tracks
      .flatMap((track) => missingOf(track))
      .filter((gap) => gap.fromS - 1 > atS + 0.1 && gap.fromS < this.ensemble.lastS)
      .sort((a, b) => a.fromS - b.fromS)[0];
    if (next) this.seek(next.fromS - 1);
    else this.say("No missing stretch after this");
  }

  /** While the bar is held the class stands; it goes on after. */
  private hold(held: boolean): void {
    if (held) {
      this.playsAfterHold = this.wishesToPlay;
      if (this.wishesToPlay) void this.ensemble.pause();
    } else if (this.playsAfterHold) {
      this.setPlaying(true);
    }
  }

  private arrange(arrangement: Arrangement): void {
    this.arrangement = arrangement;
    localStorage.setItem(ARRANGEMENT, keepsake(arrangement, this.timeline.tracks));
    this.stage.arrange(arrangement);
    this.desk.showArrangement(arrangement);
    this.sound();
  }

  private listen(id: string | null): void {
    if (id !== null && id === this.audible && !this.muted) this.muted = true;
    else {
      this.audible = id;
      this.muted = false;
    }
    this.sound();
  }

  private setVolume(volume: number): void {
    this.muted = volume <= 0.001;
    if (!this.muted) this.volume = clamp(volume, 0.05, 1);
    localStorage.setItem(VOLUME, this.volume.toFixed(2));
    this.sound();
  }

  private sound(): void {
    const audible = this.muted ? null : this.audible;
    this.ensemble.assign(audible, this.arrangement.lead);
    this.ensemble.setVolume(this.volume);
    for (const tile of this.tiles) tile.setAudible(tile.track.id === audible);
    this.desk.showSound(this.audible, this.muted, this.volume);
  }

  private setRate(rate: number): void {
    this.ensemble.setRate(rate);
    this.desk.showRate(rate);
    this.say(`Speed ${rate}`);
  }

  private onState(state: State): void {
    const played = this.wishesToPlay;
    this.wishesToPlay = this.ensemble.wished;
    this.root.dataset["state"] = state;
    this.desk.showState(state, this.wishesToPlay);
    if (state === "paused" || state === "ended") this.stage.offerStart(!this.wishesToPlay && !this.hasStarted);
    if (state === "playing") this.hasStarted = true;
    if (state === "ended" && played) this.say("End of the class");
    this.report("state", { state });
    this.showTime();
  }

  private showTime(): void {
    const atS = this.ensemble.timeS;
    this.score.show(atS);
    this.desk.showTime(atS, this.ensemble.state !== "playing");
  }

  private showSync(): void {
    const { state } = this.ensemble;
    const skew = this.ensemble.skewMs;
    if (state === "waiting" || state === "loading") {
      this.sync.dataset["state"] = "busy";
      this.sync.textContent = "Loading";
    } else if (state === "playing" && skew !== null) {
      this.sync.dataset["state"] = skew < 34 ? "good" : "busy";
      this.sync.textContent = skew < 34 ? `In sync · ${Math.max(1, Math.round(skew))} ms` : "Aligning";
      this.root.dataset["skewMs"] = skew.toFixed(2);
    } else {
      this.sync.dataset["state"] = "good";
      this.sync.textContent = this.screens.length > 1 ? "Same instant" : "One view";
    }
  }

  private showBlank(id: string, blank: Gap | null, freeze: boolean): void {
    const tile = this.tiles.find((other) => other.track.id === id);
    tile?.setBlank(blank, blank === null ? "" : betweenText(blank, this.timeline), freeze);
    if (blank !== null && tile) this.say(`${tile.track.name} camera: no picture, ${blank.label}`);
  }

  private showLate(id: string, late: boolean): void {
    const tile = this.tiles.find((other) => other.track.id === id);
    const screen = this.screens.find((other) => other.track.id === id);
    const why = screen?.complaint ?? "";
    tile?.setLate(late ? why : null);
    if (tile)
      this.say(`${tile.track.name} camera: ${late ? `waiting for its picture. ${why}` : "its picture is back"}`);
  }

  /** Notes a stretch that turned out not to play, wherever missing pictures are named. */
  private lose(id: string, gap: Gap): void {
    const tracks = this.timeline.tracks.map(
      (track) => this.screens.find((screen) => track.id === id && screen.track.id === id)?.track ?? track,
    );
    this.timeline = { ...this.timeline, tracks };
    const track = tracks.find((other) => other.id === id);
    if (track === undefined) return;
    this.score.add(this.timeline, track, gap);
    this.notes.add(this.timeline, this.silences);
    this.report("lost", { track: id, fromS: gap.fromS, toS: gap.toS, reason: gap.reason });
  }

  /** Notes a stretch whose sound is damaged; its pictures play. */
  private noteSilence(tile: Tile, stretch: Gap): void {
    this.silences.push({ track: tile.track, gap: stretch });
    this.notes.add(this.timeline, this.silences);
    this.say(`${tile.track.name} camera: ${stretch.label}`);
    this.report("silenced", { track: tile.track.id, fromS: stretch.fromS, toS: stretch.toS });
  }

  /** A trouble that only some views have stands on their plates; one that all have concerns the whole class. */
  private weighTroubles(): void {
    const troubles = this.screens.map((screen) => screen.trouble);
    const [trouble] = troubles;
    if (trouble && troubles.every((other) => other !== null)) this.showTrouble(trouble);
    else this.stage.notice.replaceChildren();
  }

  private showTrouble(trouble: Trouble): void {
    this.root.dataset["trouble"] = trouble.kind;
    if (REFUSED.has(trouble.kind)) {
      this.permit.stop();
      this.ensemble.close();
      for (const tile of this.tiles) tile.conceal();
    }
    const words = el("div", {}, el("strong", {}, trouble.title), el("p", {}, trouble.advice));
    const way =
      trouble.kind === "signed-out"
        ? el("a", { class: "button button--main", href: this.options.signInUrl }, "Sign in")
        : null;
    this.stage.notice.replaceChildren(el("div", { class: "notice" }, words, way));
  }

  private async toggleFullscreen(): Promise<void> {
    if (document.fullscreenElement !== null) {
      await document.exitFullscreen();
    } else if (typeof this.root.requestFullscreen === "function") {
      await this.root.requestFullscreen().catch(() => this.say("This browser refuses full screen"));
    } else {
      // Phones that give only a single video the whole screen get the large one.
      const lead = this.tiles.find((tile) => tile.track.id === this.arrangement.lead);
      (lead?.video as { webkitEnterFullscreen?: () => void } | undefined)?.webkitEnterFullscreen?.();
    }
  }

  private watch(): void {
    this.permit.start();
    const draw = (): void => {
      if (this.ensemble.state === "playing") this.showTime();
      window.requestAnimationFrame(draw);
    };
    window.requestAnimationFrame(draw);
    window.setInterval(() => this.showSync(), 500);
    document.addEventListener("fullscreenchange", () => {
      this.desk.showFullscreen(document.fullscreenElement !== null);
      this.wake();
    });
    for (const name of ["pointermove", "pointerdown", "keydown"]) {
      this.root.addEventListener(name, () => this.wake(), { passive: true });
    }
    window.addEventListener(
      "pagehide",
      () => {
        localStorage.setItem(PULSE_COST, this.ensemble.pulseCost.costS.toFixed(4));
        this.permit.stop();
        this.ensemble.close();
      },
      { once: true },
    );
  }

  /** In full screen the desk goes away when nothing moves. */
  private wake(): void {
    window.clearTimeout(this.idleTimer);
    this.root.dataset["idle"] = "false";
    this.idleTimer = window.setTimeout(() => {
      if (this.ensemble.state === "playing") this.root.dataset["idle"] = "true";
    }, IDLE_MS);
  }

  private say(words: string): void {
    this.live.textContent = words;
  }

  private report(name: string, detail: Record<string, unknown>): void {
    this.root.dispatchEvent(new CustomEvent(`threedance:${name}`, { detail }));
  }
}

function neighbour(rate: number, steps: number): number {
  const index = RATES.findIndex((known) => known >= rate - 1e-6);
  return RATES[clamp(index + steps, 0, RATES.length - 1)] ?? 1;
}
