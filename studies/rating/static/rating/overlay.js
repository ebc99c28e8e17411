// One dialog over the image, for everything that interrupts a trial. Several reasons can hold at once; the gravest
// is shown, and the trial goes on when the last is gone.

import { element } from "./page.js";

const GRAVEST_FIRST = ["refused", "display", "elsewhere", "rest", "pause", "begin", "waiting"];

export class Overlay {
  #dialog = element("overlay");
  #button = element("overlay-button");
  #reasons = new Map();
  #changed;
  #shown = null;

  // changed(covered) is called when the first reason comes and when the last one goes.
  constructor(changed) {
    this.#changed = changed;
    this.#dialog.addEventListener("cancel", (event) => event.preventDefault());
    this.#button.addEventListener("click", () => this.#reasons.get(this.#shown)?.act());
  }

  get covered() {
    return this.#reasons.size > 0;
  }

  // button and act belong together; without them the reason goes away by itself.
  raise(reason, { title, text, button = "", act = null, withdraw = false }) {
    const first = !this.covered;
    this.#reasons.set(reason, { title, text, button, act, withdraw });
    this.#render();
    if (first) this.#changed(true);
  }

  lower(reason) {
    if (!this.#reasons.delete(reason)) return;
    this.#render();
    if (!this.covered) this.#changed(false);
  }

  #render() {
    const before = this.#dialog.open ? this.#shown : null;
    this.#shown = GRAVEST_FIRST.find((reason) => this.#reasons.has(reason)) ?? null;
    if (!this.#shown) {
      this.#dialog.close();
      return;
    }
    const { title, text, button, withdraw } = this.#reasons.get(this.#shown);
    element("overlay-title").textContent = title;
    element("overlay-text").textContent = text;
    this.#button.textContent = button;
    this.#button.hidden = !button;
    element("overlay-withdraw").hidden = !withdraw;
    if (!this.#dialog.open) this.#dialog.showModal();
    // Without a button the title: an Enter must not withdraw.
    if (before !== this.#shown) (button ? this.#button : element("overlay-title")).focus();
  }
}
