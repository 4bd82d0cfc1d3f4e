/** What can go wrong between the player and the control plane, in words a viewer can act on. Pure. */

export type TroubleKind = "signed-out" | "forbidden" | "gone" | "network" | "server" | "timeline";

export interface Trouble {
  readonly kind: TroubleKind;
  readonly title: string;
  readonly advice: string;
  /** What the plate of one view says that has it alone. */
  readonly view: string;
}

/** What the plate of a view says that has no picture, and nobody knows why. */
export const NO_TROUBLE_KNOWN = "The other views play on; this one joins them when it is loaded.";
/** The same where a picture could not be decoded, and it is not given up yet. */
export const DAMAGE_FOUND = "Its recording is damaged here. The other views play on; this one joins them after it.";
const RETRIED = "It is tried again; the other views play on.";

const WORDS: Record<TroubleKind, Omit<Trouble, "kind">> = {
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

export function trouble(kind: TroubleKind): Trouble {
  return { kind, ...WORDS[kind] };
}

/** Returns what an HTTP status means for a viewer; 0 or null is no answer at all. */
export function troubleOfStatus(status: number | null): Trouble {
  if (!status) return trouble("network");
  if (status === 401) return trouble("signed-out");
  if (status === 403) return trouble("forbidden");
  if (status === 404 || status === 410) return trouble("gone");
  return trouble(status >= 500 || status === 429 ? "server" : "timeline");
}
