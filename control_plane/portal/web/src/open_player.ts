/** Loads the timeline that an element names, and opens the player in the element. */

import { gettext } from "./i18n.ts";
import { el } from "./player/dom.ts";
import { Player } from "./player/player.ts";
import { errorOfStatus, type PlayerError, playerError } from "./player/player_error.ts";
import { type ClassTimeline, parseTimeline, TimelineError } from "./player/timeline.ts";

declare global {
  interface Window {
    threedance?: { player?: Player };
  }
}

/** Opens the player and returns its timeline; after an error, shows that in its place and returns null. */
export async function openPlayer(root: HTMLElement): Promise<ClassTimeline | null> {
  const { timeline: url = "", worker = "", signIn = "", timeZone } = root.dataset;
  const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" }).catch(
    () => null,
  );
  if (answer === null || !answer.ok) {
    fail(root, errorOfStatus(answer?.status ?? null), signIn);
    return null;
  }
  try {
    const checkUrl = `${url.slice(0, url.lastIndexOf("/") + 1)}check`;
    const timeline = parseTimeline(await answer.json(), timeZone);
    const player = new Player(root, timeline, {
      workerPath: worker,
      signInUrl: signIn,
      checkUrl,
    });
    window.threedance = { ...window.threedance, player };
    await player.open();
    return timeline;
  } catch (error) {
    if (!(error instanceof TimelineError) && !(error instanceof SyntaxError)) throw error;
    fail(root, playerError("timeline"), signIn);
    return null;
  }
}

function fail(root: HTMLElement, why: PlayerError, signInUrl: string): void {
  root.dataset["error"] = why.kind;
  const again = el(
    "button",
    { type: "button", class: "button button--main", click: () => location.reload() },
    gettext("Try again"),
  );
  const action =
    why.kind === "signed-out" ? el("a", { class: "button button--main", href: signInUrl }, gettext("Sign in")) : again;
  root.replaceChildren(
    el("div", { class: "empty", role: "alert" }, el("h2", {}, why.title), el("p", {}, why.advice), action),
  );
}
