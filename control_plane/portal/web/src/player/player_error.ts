/** Errors between the player and the server, with texts that tell a viewer what to do. */
import { gettext } from "../i18n.ts";

export type PlayerErrorKind = "signed-out" | "forbidden" | "gone" | "network" | "server" | "timeline";

export interface PlayerError {
  readonly kind: PlayerErrorKind;
  readonly title: string;
  readonly advice: string;
  /** The text on a single view, when other views do not have the error. */
  readonly view: string;
}

/** Returns the text on a view that has no picture, if its requests succeed; `isDamaged`: a picture was not decodable. */
export function delayText(isDamaged: boolean): string {
  return isDamaged
    ? gettext("The recording is damaged here. The other views keep playing; this view rejoins them after it.")
    : gettext("The other views keep playing. This view rejoins them when it has loaded.");
}

export function playerError(kind: PlayerErrorKind): PlayerError {
  return { kind, view: "", ...textsOf(kind) };
}

function textsOf(kind: PlayerErrorKind): Omit<PlayerError, "kind" | "view"> & { view?: string } {
  switch (kind) {
    case "signed-out":
      return {
        title: gettext("You are signed out"),
        advice: gettext("Sign in again to continue where you stopped."),
      };
    case "forbidden":
      return {
        title: gettext("You no longer have access to this class"),
        advice: gettext("Your permissions were changed. Ask an admin of the studio."),
      };
    case "gone":
      return {
        title: gettext("Class not found"),
        advice: gettext("It was deleted, or the link is wrong. Go back to the list of classes."),
      };
    case "network":
      return {
        title: gettext("No connection"),
        advice: gettext("Trying again. You can still watch what has loaded."),
        view: gettext("No connection to the server. Trying again; the other views keep playing."),
      };
    case "server":
      return {
        title: gettext("The studio's server is busy"),
        advice: gettext("Trying again."),
        view: gettext("The server does not deliver this recording. Trying again; the other views keep playing."),
      };
    case "timeline":
      return {
        title: gettext("The class could not be opened"),
        advice: gettext("Reload the page. If this happens again, tell an admin of the studio."),
      };
  }
}

/** Returns the error for an HTTP status; 0 or null: no answer. */
export function errorOfStatus(status: number | null): PlayerError {
  if (!status) return playerError("network");
  if (status === 401) return playerError("signed-out");
  if (status === 403) return playerError("forbidden");
  if (status === 404 || status === 410) return playerError("gone");
  return playerError(status >= 500 || status === 429 ? "server" : "timeline");
}
