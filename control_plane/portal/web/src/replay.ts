/** The replay page: loads the timeline and opens the player in the element with `data-timeline`. */

import { gettext } from "./i18n.ts";
import { el } from "./player/dom.ts";
import { Player } from "./player/player.ts";
import { errorOfStatus, type PlayerError, playerError } from "./player/player_error.ts";
import { parseTimeline, TimelineError } from "./player/timeline.ts";

declare global {
  interface Window {
    threedance?: { player?: Player };
  }
}

async function start(root: HTMLElement): Promise<void> {
  const { timeline: url = "", worker = "", signIn = "", timeZone } = root.dataset;
  const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" }).catch(
    () => null,
  );
  if (answer === null || !answer.ok) {
    fail(root, errorOfStatus(answer?.status ?? null), signIn);
    return;
  }
  try {
    const checkUrl = `${url.slice(0, url.lastIndexOf("/") + 1)}check`;
    const player = new Player(root, parseTimeline(await answer.json(), timeZone), {
      workerPath: worker,
      signInUrl: signIn,
      checkUrl,
    });
    window.threedance = { ...window.threedance, player };
    await player.open();
  } catch (error) {
    if (!(error instanceof TimelineError) && !(error instanceof SyntaxError)) throw error;
    fail(root, playerError("timeline"), signIn);
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

const root = document.querySelector<HTMLElement>("[data-timeline]");
if (root !== null) void start(root);
