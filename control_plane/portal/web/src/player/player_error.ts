/** Errors between the player and the server, with texts that tell a viewer what to do. Pure. */

export type PlayerErrorKind = "signed-out" | "forbidden" | "gone" | "network" | "server" | "timeline";

export interface PlayerError {
  readonly kind: PlayerErrorKind;
  readonly title: string;
  readonly advice: string;
  /** The text on a single view, when other views do not have the error. */
  readonly view: string;
}

/** The text on a view that has no picture for no known reason. */
export const UNKNOWN_DELAY = "The other views play on; this one joins them when it is loaded.";
/** The same for a view with a picture that could not be decoded. */
export const DAMAGE_FOUND = "Its recording is damaged here. The other views play on; this one joins them after it.";
const RETRIED = "It is tried again; the other views play on.";

const WORDS: Record<PlayerErrorKind, Omit<PlayerError, "kind">> = {
  "signed-out": {
    title: "Your sign-in has ended",
    advice: "Sign in again; replay goes on where you are.",
    view: "",
  },
  forbidden: {
    title: "You may no longer watch this class",
    advice: "Your access was changed. Ask an admin of the studio.",
    view: "",
  },
  gone: {
    title: "This class is not here",
    advice: "It was removed, or its link is wrong. Go back to the list of classes.",
    view: "",
  },
  network: {
    title: "No connection",
    advice: "Trying again by itself. What is loaded can still be watched.",
    view: `No connection to its recording. ${RETRIED}`,
  },
  server: {
    title: "The studio's server is busy",
    advice: "Trying again by itself.",
    view: `The server does not give its recording. ${RETRIED}`,
  },
  timeline: {
    title: "The class could not be opened",
    advice: "Reload the page. If it stays so, report the class to an admin.",
    view: "",
  },
};

export function playerError(kind: PlayerErrorKind): PlayerError {
  return { kind, ...WORDS[kind] };
}

/** Returns the error for an HTTP status; 0 or null: no answer. */
export function errorOfStatus(status: number | null): PlayerError {
  if (!status) return playerError("network");
  if (status === 401) return playerError("signed-out");
  if (status === 403) return playerError("forbidden");
  if (status === 404 || status === 410) return playerError("gone");
  return playerError(status >= 500 || status === 429 ? "server" : "timeline");
}
