/** Shared by every page of the portal: htmx, running clocks, copy buttons, menus. */

import htmx from "htmx.org";
import { gettext } from "./i18n.ts";

import "./passkey.ts";
import { countdownText, elapsedText } from "./durations.ts";

// Our content security policy forbids evaluated code and styles from scripts.
htmx.config.allowEval = false;
htmx.config.includeIndicatorStyles = false;
htmx.config.selfRequestsOnly = true;

/** Writes the elapsed or remaining time into each `<time data-since>` and `<time data-until>`. */
function tick(): void {
  const now = Date.now() - skewMs();
  for (const element of document.querySelectorAll<HTMLElement>("[data-since]")) {
    element.textContent = elapsedText(now - Date.parse(element.dataset["since"] ?? ""));
  }
  for (const element of document.querySelectorAll<HTMLElement>("[data-until]")) {
    element.textContent = countdownText(Date.parse(element.dataset["until"] ?? "") - now);
  }
}

/** Returns how far this device's clock is ahead of the server's, in ms. */
function skewMs(): number {
  return serverSkewMs;
}

const writtenAt = Date.parse(document.documentElement.dataset["now"] ?? "");
const serverSkewMs = Number.isNaN(writtenAt) ? 0 : Date.now() - performance.now() - writtenAt;

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const copy = target?.closest<HTMLElement>("[data-copy]");
  if (copy) void copyText(copy);
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }
});

async function copyText(button: HTMLElement): Promise<void> {
  const text = document.querySelector(button.dataset["copy"] ?? "")?.textContent?.trim() ?? "";
  const said = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = gettext("Copied");
  } catch {
    const range = document.createRange();
    const source = document.querySelector(button.dataset["copy"] ?? "");
    if (source) range.selectNodeContents(source);
    getSelection()?.removeAllRanges();
    getSelection()?.addRange(range);
    button.textContent = gettext("Press Ctrl C");
  }
  window.setTimeout(() => {
    button.textContent = said;
  }, 1800);
}

// When a poll finds that the sign-in has ended, the reload leads to the sign-in page.
document.addEventListener("htmx:responseError", (event) => {
  const status = (event as CustomEvent<{ xhr: XMLHttpRequest }>).detail.xhr.status;
  if (status === 401 || status === 404) location.reload();
});

// On a phone the settings navigation scrolls sideways: the current entry is scrolled into view without moving the page.
const strip = document.querySelector<HTMLElement>(".settings__nav");
const here = strip?.querySelector<HTMLElement>("[aria-current]");
if (strip && here) strip.scrollLeft = here.offsetLeft - (strip.clientWidth - here.offsetWidth) / 2;

tick();
window.setInterval(tick, 500);
// Swapped-in elements come without their times.
document.addEventListener("htmx:afterSwap", tick);
