/** A small way to write elements, and the icons of the player. */

type Child = Node | string | null;
type Props = Record<string, string | number | boolean | EventListener | undefined>;

/** Returns a new element; a property that is a function listens, `true` sets an empty attribute, false or undefined none. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const PATHS = {
  play: "M7 4.5v15l12.5-7.5z",
  pause: "M8 5v14M16 5v14",
  again: "M4 12a8 8 0 1 0 2.6-5.9M4 4v4.5h4.5",
  back: "M15 6l-7 6 7 6M19 6v12",
  forward: "M9 6l7 6-7 6M5 6v12",
  sound: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11",
  silent: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5",
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  unfull: "M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5",
  keys: "M4 6.5h16a1.5 1.5 0 0 1 1.5 1.5v8a1.5 1.5 0 0 1-1.5 1.5H4A1.5 1.5 0 0 1 2.500 16V8A1.500 1.500 0 0 1 4 6.500zM6.500 10.500h.01M10 10.500h.01M14 10.500h.01M17.500 10.500h.01M8 14h8",
  lead: "M3.500 5h11v14h-11zM17.500 5h3v5.500h-3zM17.500 13.500h3V19h-3z",
  row: "M2.500 7.500h5v9h-5zM9.500 7.500h5v9h-5zM16.500 7.500h5v9h-5z",
  dark: "M3 3l18 18M10.500 6H17a2 2 0 0 1 2 2v1.500l3-2v9M15.500 18H5a2 2 0 0 1-2-2V8a2 2 0 0 1 1.500-1.900",
  close: "M6 6l12 12M18 6L6 18",
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** Changes the icon that a button shows. */
export function setIcon(button: HTMLElement, name: IconName): void {
  if (button.dataset["icon"] === name) return;
  button.dataset["icon"] = name;
  button.querySelector("svg")?.replaceWith(icon(name));
}
