/** The player of one recorded class: builds its parts, and passes commands and states between them. */
import { gettext } from "../i18n.ts";
import { AuthorizationCheck } from "./authorization.ts";
import { ClassDetails, type MissingStretch } from "./class_details.ts";
import { Controls } from "./controls.ts";
import { el } from "./dom.ts";
import { RateChangeCost } from "./drift_control.ts";
import { type Command, Keyboard } from "./keyboard.ts";
import type { PlayerError } from "./player_error.ts";
import { SeekBar, timeRangeText } from "./seek_bar.ts";
import {
  type Arrangement,
  openingArrangement,
  restoreArrangement,
  Stage,
  serializeArrangement,
  Tile,
  withLead,
  withShape,
  withSolo,
  withToggled,
} from "./stage.ts";
import { RATES, type State, SyncGroup } from "./sync_group.ts";
import { type ClassTimeline, clamp, type Gap, missingOf, openingS } from "./timeline.ts";
import { TrackPlayer } from "./track_player.ts";

const ARRANGEMENT = "threedance.arrangement";
const VOLUME = "threedance.volume";
const RATE_CHANGE_COST = "threedance.rate-change-cost";
const IDLE_MS = 2600;
/** After one of these even loaded media must not be shown. */
const REFUSED: ReadonlySet<PlayerError["kind"]> = new Set(["signed-out", "forbidden", "gone"] as const);

export interface PlayerOptions {
  readonly workerPath: string;
  readonly signInUrl: string;
  /** Answers whether the viewer may still watch. */
  readonly checkUrl: string;
}

export class Player {
  readonly tiles: readonly Tile[];
  readonly trackPlayers: readonly TrackPlayer[];
  readonly syncGroup: SyncGroup;
  private readonly stage: Stage;
  private readonly seekBar: SeekBar;
  private readonly details: ClassDetails;
  private readonly controls: Controls;
  private readonly keyboard: Keyboard;
  private readonly announcer: HTMLElement;
  private readonly syncStatus: HTMLElement;
  private readonly authorization: AuthorizationCheck;
  private arrangement: Arrangement;
  private audible: string | null;
  private muted = false;
  private volume = clamp(Number(localStorage.getItem(VOLUME) ?? 1) || 1, 0.05, 1);
  private wantsToPlay = false;
  private resumeAfterHold = false;
  private hasStarted = false;
  private idleTimer = 0;
  private readonly silencedStretches: MissingStretch[] = [];

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
    this.authorization = new AuthorizationCheck(options.checkUrl, (error) => this.showError(error));
    this.trackPlayers = this.tiles.flatMap((tile) => this.createTrackPlayer(tile));
    const rateChangeCost = new RateChangeCost(clamp(Number(localStorage.getItem(RATE_CHANGE_COST)) || 0, -0.08, 0.08));
    const events = {
      state: (state: State) => this.onState(state),
      time: () => undefined,
      blank: (id: string, blank: Gap | null, freeze: boolean) => this.showBlank(id, blank, freeze),
      late: (id: string, isLate: boolean) => this.showLate(id, isLate),
      blocked: () => this.onState("paused"),
    };
    this.syncGroup = new SyncGroup(timeline, this.trackPlayers, events, rateChangeCost);
    const { firstS, lastS } = this.syncGroup;
    const centre = tracks.find((track) => track.audio && track.position === "centre");
    this.audible = (centre ?? tracks.find((track) => track.audio))?.id ?? null;
    this.arrangement = restoreArrangement(localStorage.getItem(ARRANGEMENT), tracks) ?? openingArrangement(tracks);
    this.stage = new Stage(this.tiles, () => this.execute({ type: "toggle" }));
    this.seekBar = new SeekBar(timeline, firstS, lastS, {
      seek: (classS) => this.seek(classS),
      hold: (held) => this.hold(held),
    });
    this.controls = new Controls(timeline, firstS, lastS, {
      execute: (command) => this.execute(command),
      rate: (rate) => this.setRate(rate),
      listen: (id) => this.listen(id),
      volume: (volume) => this.setVolume(volume),
    });
    this.details = new ClassDetails(timeline, firstS, lastS, (classS) => this.seek(classS));
    this.keyboard = new Keyboard((command) => this.execute(command));
    this.announcer = el("div", { class: "visually-hidden", role: "status", "aria-live": "polite" });
    this.syncStatus = document.querySelector<HTMLElement>("[data-sync]") ?? el("span");
    root.replaceChildren(
      this.stage.root,
      this.seekBar.root,
      this.controls.root,
      this.details.root,
      this.keyboard.dialog,
      this.announcer,
    );
    this.arrange(this.arrangement);
    this.controls.showState("loading", false);
    this.controls.showTime(firstS, true);
    this.start();
  }

  private get order(): string[] {
    return this.timeline.tracks.map((track) => track.id);
  }

  /** Opens at `#t=` seconds after the first picture, or at the first instant that all cameras show. */
  async open(): Promise<void> {
    const requested = /[#&]t=([\d.]+)/.exec(location.hash)?.[1];
    const { firstS, lastS } = this.syncGroup;
    const fromS = requested === undefined ? openingS(this.timeline) : clamp(firstS + Number(requested), firstS, lastS);
    await this.syncGroup.open(fromS);
    this.root.dataset["openedMs"] = performance.now().toFixed(0);
  }

  /** Executes the command of a key or a button. */
  execute(command: Command): void {
    const { syncGroup } = this;
    const track = "index" in command ? this.timeline.tracks[command.index] : undefined;
    switch (command.type) {
      case "toggle":
        this.setPlaying(!this.wantsToPlay);
        break;
      case "skip":
        this.seek(syncGroup.timeS + command.seconds);
        break;
      case "step":
        this.wantsToPlay = false;
        void syncGroup.step(command.frames);
        break;
      case "start":
        this.seek(syncGroup.firstS);
        break;
      case "end":
        this.seek(syncGroup.lastS);
        break;
      case "rate":
        this.setRate(rateAfter(syncGroup.rate, command.steps));
        break;
      case "volume":
        this.setVolume((this.muted ? 0 : this.volume) + command.by);
        break;
      case "mute":
        this.muted = !this.muted;
        this.applyAudio();
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
        this.seekNextGap();
        break;
      case "fullscreen":
        void this.toggleFullscreen();
        break;
      case "help":
        this.keyboard.open();
        break;
    }
  }

  private createTrackPlayer(tile: Tile): TrackPlayer[] {
    const reason = TrackPlayer.unsupportedReason(tile.track);
    if (reason !== null) tile.refuse(reason);
    if (reason !== null || tile.track.fragments.length === 0) {
      if (reason === null) {
        const why = missingOf(tile.track)[0];
        tile.refuse(why ? gettext("No video: %(reason)s.", { reason: why.label }) : gettext("No video."));
      }
      return [];
    }
    return [
      new TrackPlayer(tile.track, tile.video, this.options.workerPath, {
        shown: (shown, mediaS) => {
          tile.markShown();
          tile.root.dataset["firstPictureMs"] ??= performance.now().toFixed(0);
          this.dispatch("frame", { track: tile.track.id, classS: shown.classS, mediaS, atMs: shown.atMs });
        },
        error: () => this.updateNotice(),
        refused: (error) => this.showError(error),
        checkAuthorization: () => this.authorization.check(performance.now()),
        broken: () => this.syncGroup.recover(),
        lost: (gap) => this.addGap(tile.track.id, gap),
        silenced: (stretch) => this.onSilenced(tile, stretch),
        answered: () => this.authorization.noteAnswer(performance.now()),
      }),
    ];
  }

  private pick(id: string): void {
    const { lead, shape, shown } = this.arrangement;
    if (shown.length === 1 || (shape === "lead" && lead === id)) this.setPlaying(!this.wantsToPlay);
    else this.arrange(withLead(this.arrangement, id, this.order));
  }

  private setPlaying(playing: boolean): void {
    this.wantsToPlay = playing;
    this.controls.showState(this.syncGroup.state, playing);
    this.stage.offerStart(false);
    void (playing ? this.syncGroup.play() : this.syncGroup.pause());
  }

  private seek(classS: number): void {
    void this.syncGroup.seek(classS);
    this.showTime();
  }

  private seekNextGap(): void {
    const atS = this.syncGroup.timeS;
    const next = this.timeline.tracks
      .flatMap((track) => missingOf(track))
      .filter((gap) => gap.fromS - 1 > atS + 0.1 && gap.fromS < this.syncGroup.lastS)
      .sort((a, b) => a.fromS - b.fromS)[0];
    if (next) this.seek(next.fromS - 1);
    else this.announce(gettext("No more gaps"));
  }

  /** Pauses while the viewer drags the seek bar. */
  private hold(held: boolean): void {
    if (held) {
      this.resumeAfterHold = this.wantsToPlay;
      if (this.wantsToPlay) void this.syncGroup.pause();
    } else if (this.resumeAfterHold) {
      this.setPlaying(true);
    }
  }

  private arrange(arrangement: Arrangement): void {
    this.arrangement = arrangement;
    localStorage.setItem(ARRANGEMENT, serializeArrangement(arrangement, this.timeline.tracks));
    this.stage.arrange(arrangement);
    this.controls.showArrangement(arrangement);
    this.applyAudio();
  }

  private listen(id: string | null): void {
    if (id !== null && id === this.audible && !this.muted) this.muted = true;
    else {
      this.audible = id;
      this.muted = false;
    }
    this.applyAudio();
  }

  private setVolume(volume: number): void {
    this.muted = volume <= 0.001;
    if (!this.muted) this.volume = clamp(volume, 0.05, 1);
    localStorage.setItem(VOLUME, this.volume.toFixed(2));
    this.applyAudio();
  }

  private applyAudio(): void {
    const audible = this.muted ? null : this.audible;
    this.syncGroup.assign(audible, this.arrangement.lead);
    this.syncGroup.setVolume(this.volume);
    for (const tile of this.tiles) tile.setAudible(tile.track.id === audible);
    this.controls.showSound(this.audible, this.muted, this.volume);
  }

  private setRate(rate: number): void {
    this.syncGroup.setRate(rate);
    this.controls.showRate(rate);
    this.announce(gettext("Speed %(rate)s", { rate }));
  }

  private onState(state: State): void {
    const played = this.wantsToPlay;
    this.wantsToPlay = this.syncGroup.wantsToPlay;
    this.root.dataset["state"] = state;
    this.controls.showState(state, this.wantsToPlay);
    if (state === "paused" || state === "ended") this.stage.offerStart(!this.wantsToPlay && !this.hasStarted);
    if (state === "playing") this.hasStarted = true;
    if (state === "ended" && played) this.announce(gettext("End of the class"));
    this.dispatch("state", { state });
    this.showTime();
  }

  private showTime(): void {
    const atS = this.syncGroup.timeS;
    this.seekBar.show(atS);
    this.controls.showTime(atS, this.syncGroup.state !== "playing");
  }

  private showSync(): void {
    const { state } = this.syncGroup;
    const skew = this.syncGroup.skewMs;
    if (state === "waiting" || state === "loading") {
      this.syncStatus.dataset["state"] = "busy";
      this.syncStatus.textContent = gettext("Loading");
    } else if (state === "playing" && skew !== null) {
      this.syncStatus.dataset["state"] = skew < 34 ? "good" : "busy";
      this.syncStatus.textContent =
        skew < 34
          ? gettext("In sync · %(milliseconds)s ms", { milliseconds: Math.max(1, Math.round(skew)) })
          : gettext("Syncing");
      this.root.dataset["skewMs"] = skew.toFixed(2);
    } else {
      this.syncStatus.dataset["state"] = "good";
      this.syncStatus.textContent = this.trackPlayers.length > 1 ? gettext("In sync") : gettext("One view");
    }
  }

  private showBlank(id: string, blank: Gap | null, freeze: boolean): void {
    const tile = this.tiles.find((other) => other.track.id === id);
    tile?.setBlank(blank, blank === null ? "" : timeRangeText(blank, this.timeline), freeze);
    if (blank !== null && tile)
      this.announce(
        gettext("%(camera)s camera: no picture, %(reason)s", { camera: tile.track.name, reason: blank.label }),
      );
  }

  private showLate(id: string, isLate: boolean): void {
    const tile = this.tiles.find((other) => other.track.id === id);
    const trackPlayer = this.trackPlayers.find((other) => other.track.id === id);
    const why = trackPlayer?.statusText ?? "";
    tile?.setLate(isLate ? why : null);
    if (tile === undefined) return;
    const values = { camera: tile.track.name, why };
    this.announce(
      isLate
        ? gettext("%(camera)s camera: loading. %(why)s", values)
        : gettext("%(camera)s camera: picture available again", values),
    );
  }

  /** Adds a stretch that was given up to the seek bar and the list of missing pictures. */
  private addGap(id: string, gap: Gap): void {
    const tracks = this.timeline.tracks.map(
      (track) =>
        this.trackPlayers.find((trackPlayer) => track.id === id && trackPlayer.track.id === id)?.track ?? track,
    );
    this.timeline = { ...this.timeline, tracks };
    const track = tracks.find((other) => other.id === id);
    if (track === undefined) return;
    this.seekBar.add(this.timeline, track, gap);
    this.details.update(this.timeline, this.silencedStretches);
    this.dispatch("lost", { track: id, fromS: gap.fromS, toS: gap.toS, reason: gap.reason });
  }

  /** Adds a stretch that plays without audio to the list. */
  private onSilenced(tile: Tile, stretch: Gap): void {
    this.silencedStretches.push({ track: tile.track, gap: stretch });
    this.details.update(this.timeline, this.silencedStretches);
    this.announce(gettext("%(camera)s camera: %(reason)s", { camera: tile.track.name, reason: stretch.label }));
    this.dispatch("silenced", { track: tile.track.id, fromS: stretch.fromS, toS: stretch.toS });
  }

  /** Shows an error as that of the class if all views have one; the error of a single view stays on its tile. */
  private updateNotice(): void {
    const errors = this.trackPlayers.map((trackPlayer) => trackPlayer.error);
    const [error] = errors;
    if (error && errors.every((other) => other !== null)) this.showError(error);
    else this.stage.notice.replaceChildren();
  }

  private showError(error: PlayerError): void {
    this.root.dataset["error"] = error.kind;
    if (REFUSED.has(error.kind)) {
      this.authorization.stop();
      this.syncGroup.close();
      for (const tile of this.tiles) tile.hidePicture();
    }
    const message = el("div", {}, el("strong", {}, error.title), el("p", {}, error.advice));
    const action =
      error.kind === "signed-out"
        ? el("a", { class: "button button--main", href: this.options.signInUrl }, gettext("Sign in"))
        : null;
    this.stage.notice.replaceChildren(el("div", { class: "notice" }, message, action));
  }

  private async toggleFullscreen(): Promise<void> {
    if (document.fullscreenElement !== null) {
      await document.exitFullscreen();
    } else if (typeof this.root.requestFullscreen === "function") {
      await this.root
        .requestFullscreen()
        .catch(() => this.announce(gettext("This browser does not allow full screen")));
    } else {
      // Some phones show only a single video in full screen: the lead view.
      const lead = this.tiles.find((tile) => tile.track.id === this.arrangement.lead);
      (lead?.video as { webkitEnterFullscreen?: () => void } | undefined)?.webkitEnterFullscreen?.();
    }
  }

  /** Starts timers and listeners of the page. */
  private start(): void {
    this.authorization.start();
    const draw = (): void => {
      if (this.syncGroup.state === "playing") this.showTime();
      window.requestAnimationFrame(draw);
    };
    window.requestAnimationFrame(draw);
    window.setInterval(() => this.showSync(), 500);
    document.addEventListener("fullscreenchange", () => {
      this.controls.showFullscreen(document.fullscreenElement !== null);
      this.noteActivity();
    });
    for (const name of ["pointermove", "pointerdown", "keydown"]) {
      this.root.addEventListener(name, () => this.noteActivity(), { passive: true });
    }
    window.addEventListener(
      "pagehide",
      () => {
        localStorage.setItem(RATE_CHANGE_COST, this.syncGroup.rateChangeCost.costS.toFixed(4));
        this.authorization.stop();
        this.syncGroup.close();
      },
      { once: true },
    );
  }

  /** Shows the controls in full screen; they hide when the pointer rests. */
  private noteActivity(): void {
    window.clearTimeout(this.idleTimer);
    this.root.dataset["idle"] = "false";
    this.idleTimer = window.setTimeout(() => {
      if (this.syncGroup.state === "playing") this.root.dataset["idle"] = "true";
    }, IDLE_MS);
  }

  /** Writes a message for screen readers. */
  private announce(message: string): void {
    this.announcer.textContent = message;
  }

  /** Tells the page what happened, for tests and measurements. */
  private dispatch(name: string, detail: Record<string, unknown>): void {
    this.root.dispatchEvent(new CustomEvent(`threedance:${name}`, { detail }));
  }
}

/** Returns the playback rate `steps` steps from `rate`. */
function rateAfter(rate: number, steps: number): number {
  const index = RATES.findIndex((known) => known >= rate - 1e-6);
  return RATES[clamp(index + steps, 0, RATES.length - 1)] ?? 1;
}
