// Ratings on their way to the server: stored from the key press until the server has answered for them, and sent one
// after the other, the earliest trial first.

import { receiptOf } from "./images.js";
import { Backoff } from "./page.js";
import { Store } from "./store.js";

const SLOW = 3_000;
const TIMEOUT = 20_000;

export class Outbox {
  #ratings = new Map();
  #store;
  #urls;
  #on;
  #sending = false;
  #windows;

  // on.saved(standing), on.conflict(rating, answer), on.disorder(), on.refused(answer), on.unsaved(number or 0),
  // on.elsewhere(position): another window of this browser rated it.
  // urls: {rate, image}, with TOKEN for a trial's.
  constructor({ key, urls, on }) {
    this.#store = new Store(key);
    this.#urls = urls;
    this.#on = on;
    this.#windows = new BroadcastChannel(`rater:${key}`);
    this.#windows.onmessage = (event) => this.#on.elsewhere?.(event.data);
  }

  // Takes up what is stored: after a reload, a crash, or from another window.
  async load() {
    for (const rating of await this.#store.all()) this.#ratings.set(rating.position, rating);
  }

  get size() {
    return this.#ratings.size;
  }

  has(position) {
    return this.#ratings.has(position);
  }

  // rating: {position, token, fields}, fields as the server's form names them.
  add(rating) {
    this.#ratings.set(rating.position, rating);
    this.#store.add(rating);
    this.#windows.postMessage(rating.position);
    this.send();
  }

  forget() {
    this.#ratings.clear();
    return this.#store.clear();
  }

  async send() {
    if (this.#sending) return;
    this.#sending = true;
    const backoff = new Backoff();
    while (this.size) {
      const rating = this.#ratings.get(Math.min(...this.#ratings.keys()));
      const answer = await this.#post(rating);
      if (answer.again) {
        this.#on.unsaved(this.size);
        if (answer.disorder) this.#on.disorder();
        await backoff.wait();
        continue;
      }
      backoff.reset();
      if (!this.#settle(rating, answer)) break;
    }
    this.#sending = false;
  }

  // Acts on a final answer of the server; false if there is no use in sending more.
  #settle(rating, { status, body }) {
    const conflict = body.code === "conflict";
    if (status !== 200 && status !== 422 && !conflict) {
      this.#on.refused(body);
      return false;
    }
    this.#ratings.delete(rating.position);
    this.#store.remove(rating.position);
    if (this.size === 0) this.#on.unsaved(0);
    if (status === 200) this.#on.saved(body);
    else if (conflict) this.#on.conflict(rating, body);
    // Not a rating at all, as after a fault of the disk: its trial is shown again.
    else this.#on.disorder();
    return true;
  }

  // The image was sent by a site that had no receipts yet.
  async #fetchReceipt({ token, fields }) {
    const response = await fetch(this.#urls.image.replace("TOKEN", token), { cache: "no-store" });
    fields.receipt = receiptOf(response);
  }

  async #post(rating) {
    const { token, fields } = rating;
    const slow = setTimeout(() => this.#on.unsaved(this.size), SLOW);
    try {
      const response = await fetch(this.#urls.rate.replace("TOKEN", token), {
        method: "POST",
        headers: { "X-CSRFToken": csrfToken() },
        body: new URLSearchParams(fields),
        keepalive: true,
        signal: AbortSignal.timeout(TIMEOUT),
      });
      if (response.status >= 500 || response.status === 429) return { again: true };
      const body = await bodyOf(response);
      if (body.code === "no-receipt") {
        await this.#fetchReceipt(rating);
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

async function bodyOf(response) {
  if (response.headers.get("Content-Type")?.startsWith("application/json")) return response.json();
  return {
    code: "stale",
    message: "This browser no longer knows you here. Please open your invitation link again; it goes on where you are.",
  };
}

// Read at each request: a login in another window changes it.
function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]*)/)?.[1] ?? "";
}
