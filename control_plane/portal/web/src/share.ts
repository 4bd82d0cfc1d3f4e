/**
 * The page of a share link: trades the secret in the address, and the PIN, for a cookie, and opens the player.
 *
 * The secret is in the fragment, which the browser sends to nobody; it leaves this page in the body of one POST only.
 */
import { gettext } from "./i18n.ts";
import { openPlayer } from "./open_player.ts";
import { el } from "./player/dom.ts";

interface Trade {
  readonly status: number;
  readonly body: { readonly title?: string; readonly needs?: string; readonly wrong?: boolean };
}

class LinkPage {
  private readonly folder: string;
  private readonly form: HTMLFormElement;

  constructor(private readonly page: HTMLElement) {
    this.folder = page.dataset["link"] ?? "";
    this.form = this.part("[data-pin]") as HTMLFormElement;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.trade(this.pin.value.trim());
    });
  }

  /** Continues an opened view after a reload, which is no second opening; otherwise opens the link. */
  async start(): Promise<void> {
    const answer = await fetch(`${this.folder}/check`, { cache: "no-store" }).catch(() => null);
    if (answer?.status === 204) await this.play();
    else await this.trade("");
  }

  private get pin(): HTMLInputElement {
    return this.part("#pin") as HTMLInputElement;
  }

  private async trade(pin: string): Promise<void> {
    const { status, body } = await this.send(pin);
    if (status === 200) await this.play();
    else if (status === 403 && body.needs === "pin")
      this.askForPin(body.wrong ? gettext("This PIN is not right.") : "");
    else if (status === 429) this.askForPin(gettext("Too many wrong PINs. Try again in a quarter of an hour."));
    else if (status === 404 || status === 400)
      this.say(
        gettext("This link does not work"),
        gettext("It may have expired, or the studio has withdrawn it. Ask the person who sent it."),
      );
    else this.say(gettext("No connection"), gettext("Reload the page to try again."));
  }

  private async send(pin: string): Promise<Trade> {
    const token = this.form.querySelector<HTMLInputElement>("[name=csrfmiddlewaretoken]")?.value ?? "";
    const answer = await fetch(`${this.folder}/open`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-csrftoken": token },
      body: JSON.stringify({ secret: location.hash.slice(1), pin }),
      cache: "no-store",
    }).catch(() => null);
    const body = (await answer?.json().catch(() => ({}))) as Trade["body"] | undefined;
    return { status: answer?.status ?? 0, body: body ?? {} };
  }

  private askForPin(wrong: string): void {
    this.part("[data-note]").hidden = true;
    this.form.hidden = false;
    const message = this.part("[data-wrong]");
    message.textContent = wrong;
    message.hidden = wrong === "";
    this.pin.value = "";
    this.pin.focus();
  }

  private say(title: string, advice: string): void {
    this.form.hidden = true;
    const note = this.part("[data-note]");
    note.hidden = false;
    note.replaceChildren(el("h2", {}, title), el("p", {}, advice));
  }

  private async play(): Promise<void> {
    this.form.hidden = true;
    this.part("[data-note]").hidden = true;
    const root = this.part(".replay");
    root.hidden = false;
    root.dataset["timeline"] = `${this.folder}/timeline.json`;
    const title = (await openPlayer(root))?.title ?? "";
    this.part("[data-title]").textContent = title;
    this.part("[data-head]").hidden = title === "";
    // On each picture, so that it is there whatever the layout, in full screen too, and in a picture of one view alone.
    const id = this.page.dataset["publicId"] ?? "";
    for (const tile of root.querySelectorAll(".tile"))
      tile.append(el("p", { class: "watermark", "aria-hidden": "true" }, id));
  }

  private part(selector: string): HTMLElement {
    const found = this.page.querySelector<HTMLElement>(selector);
    if (found === null) throw new Error(`the page has no ${selector}`);
    return found;
  }
}

const page = document.querySelector<HTMLElement>("[data-link]");
if (page !== null) void new LinkPage(page).start();
