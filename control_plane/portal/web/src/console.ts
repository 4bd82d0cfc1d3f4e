/** The admin site: lists of cameras, agents and recordings refresh by themselves. */
const REFRESHED_PATHS = /\/(fleet\/(camera|agent)|X)\/$/;
const EVERY_MS = 3000;

async function refresh(): Promise<void> {
  if (document.hidden) return;
  const answer = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
  if (answer === null || !answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#result_list tbody");
  const shown = document.querySelector("#result_list tbody");
  if (fresh !== null && shown !== null && fresh.innerHTML !== shown.innerHTML) shown.replaceWith(fresh);
}

if (REFRESHED_PATHS.test(location.pathname)) window.setInterval(() => void refresh(), EVERY_MS);
