// Ratings, and takings back, on their way to the server: stored from the key press until the server has answered for
// them, and sent one after the other in the order in which they were given.

import { receiptOf } from "./images.js";
import { Backoff } from "./page.js";
import { Store } from "./store.js";
import { gettext } from "./texts.js";

const STEP = 1 / 4096;
const SLOW = 3_000;
const TIMEOUT = 20_000;

export class Outbox {
  // Its place in the order -> {position: that place, trial, fields, isUndo}. A trial's rating is at the trial's position,
  // what follows at the same trial, taken back, rated again, a STEP further each time.
  #actions = new Map();
  #store;
  #urls;
  #on;
  #sending = false;
  #windows;

  // on.saved(standing), on.conflict(answer), on.disorder(), on.refused(answer), on.unsaved(number or 0),
  // on.stands(answer): it could not be taken back; on.takenBack(answer): in another window or on another device;
  // on.elsewhere(position): another window of this browser rated it.
  // urls: {rate, undo, image}, with TOKEN for a trial's.
  constructor({ key, urls, on }) {
    this.#store = new Store(key);
    this.#urls = urls;
    this.#on = on;
    this.#windows = new BroadcastChannel(`rater:${key}`);
    this.#windows.onmessage = (event) => this.#on.elsewhere?.(event.data);
  }

  // Takes up what is stored: after a reload, a crash, or from another window.
  async load() {
    for (const action of await this.#store.all()) this.#actions.set(action.position, { isUndo: false, ...action });
  }

  // How many trials have something unsent.
  get size() {
    return new Set([...this.#actions.keys()].map(Math.floor)).size;
  }

  // How many more ratings there are than the server has answered for.
  get more() {
    return [...this.#actions.values()].reduce((sum, action) => sum + (action.isUndo ? -1 : 1), 0);
  }

  // Whether anything about the trial is unsent.
  concerns(position) {
    return this.#last(position) !== undefined;
  }

  // Trials that were taken back, unsent, to be rated again.
  reopened() {
    const places = [...new Set([...this.#actions.keys()].map(Math.floor))];
    const last = places.map((position) => this.#last(position)).filter((action) => action.isUndo);
    return last.map(({ trial }) => ({ ...trial, attempt: trial.attempt + 1 }));
  }

  // fields as the server's form names them; trial as the server told it.
  rate(trial, fields) {
    this.#add({ position: trial.position + (2 * trial.attempt - 2) * STEP, trial, isUndo: false, fields });
    this.#windows.postMessage(trial.position);
  }

  takeBack(trial) {
    this.#add({ position: trial.position + (2 * trial.attempt - 1) * STEP, trial, isUndo: true, fields: {} });
  }

  #add(action) {
    action.fields.attempt = action.trial.attempt;
    this.#actions.set(action.position, action);
    this.#store.add(action);
    this.send();
  }

  #last(position) {
    const places = [...this.#actions.keys()].filter((place) => Math.floor(place) === position);
    return this.#actions.get(Math.max(...places));
  }

  #drop(place) {
    this.#actions.delete(place);
    this.#store.remove(place);
  }

  forget() {
    this.#actions.clear();
    return this.#store.clear();
  }

  async send() {
    if (this.#sending) return;
    this.#sending = true;
    const backoff = new Backoff();
    while (this.size) {
      const action = this.#actions.get(Math.min(...this.#actions.keys()));
      const answer = await this.#post(action);
      if (answer.again) {
        this.#on.unsaved(this.size);
        if (answer.disorder) this.#on.disorder();
        await backoff.wait();
        continue;
      }
      backoff.reset();
      if (!this.#settle(action, answer)) break;
    }
    this.#sending = false;
  }

  // Acts on a final answer of the server; false if there is no use in sending more.
  #settle(action, { status, body }) {
    const stands = body.code === "conflict" || body.code === "stands";
    if (status !== 200 && status !== 422 && body.code !== "taken-back" && !stands) {
      this.#on.refused(body);
      return false;
    }
    const about = (place) => place === action.position || (stands && Math.floor(place) === Math.floor(action.position));
    // Where another rating stands, what was to follow ours has no meaning.
    for (const place of [...this.#actions.keys()].filter(about)) this.#drop(place);
    if (this.size === 0) this.#on.unsaved(0);
    if (status === 200) this.#on.saved(body);
    else if (body.code === "conflict") this.#on.conflict(body);
    else if (body.code === "stands") this.#on.stands(body);
    else if (body.code === "taken-back") this.#on.takenBack(body);
    // Not a rating at all, as after a fault of the disk: its trial is shown again.
    else this.#on.disorder();
    return true;
  }

  // The image was sent by a site that had no receipts yet.
  async #fetchReceipt(action) {
    const { fields } = action;
    const url = this.#urls.image.replace("TOKEN", tokenOf(action));
    const all = [url, action.trial?.right, action.trial?.original].filter(Boolean);
    const responses = await Promise.all(all.map((one) => fetch(one, { cache: "no-store" })));
    fields.receipt = responses.map(receiptOf).join(" ");
  }

  async #post(action) {
    const { fields } = action;
    const url = action.isUndo ? this.#urls.undo : this.#urls.rate;
    const slow = setTimeout(() => this.#on.unsaved(this.size), SLOW);
    try {
      const response = await fetch(url.replace("TOKEN", tokenOf(action)), {
        method: "POST",
        headers: { "X-CSRFToken": csrfToken() },
        body: new URLSearchParams(fields),
        keepalive: true,
        signal: AbortSignal.timeout(TIMEOUT),
      });
      if (response.status >= 500 || response.status === 429) return { again: true };
      const body = await bodyOf(response);
      if (body.code === "no-receipt") {
        await this.#fetchReceipt(action);
        return { again: true };
      }
      // An earlier rating is still on its way from another window, or was lost.
      if (body.code === "not-due") return { again: true, disorder: true };
      return { status: response.status, body };
    } catch {
      return { again: true };
    } finally {
      clearTimeout(slow);
    }
  }
}

// Ratings stored by a page of before are without their trial.
const tokenOf = ({ trial, token }) => trial?.token ?? token;

async function bodyOf(response) {
  if (response.headers.get("Content-Type")?.startsWith("application/json")) return response.json();
  return {
    code: "stale",
    message: gettext("This browser no longer knows you here. Please open your invitation link again; it goes on where you are."),
  };
}

// Read at each request: a login in another window changes it.
function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]*)/)?.[1] ?? "";
}
