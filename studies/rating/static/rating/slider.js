// A line on which a score is set and then given. Until it is set no handle is shown: nothing is suggested.

import { onFreshKey } from "./keys.js";
import { isMirrored } from "./page.js";
import { gettext } from "./texts.js";

const SMALL = 1 / 100; // of the line, an arrow key
const LARGE = 1 / 10;

export class Slider {
  #range;
  #button;
  #value;
  #give;
  #low;
  #high;

  // range: the input; button: gives the score that is set.
  constructor(range, button, value, give) {
    this.#range = range;
    this.#button = button;
    this.#value = value;
    this.#give = give;
    this.#low = Number(range.min);
    this.#high = Number(range.max);
    for (const kind of ["pointerdown", "input"]) range.addEventListener(kind, () => this.#mark());
    button.addEventListener("click", (event) => event.detail <= 1 && this.#answer());
    onFreshKey((event) => this.#key(event, true), (event) => this.#key(event, false));
    this.reset();
  }

  // For the next image.
  reset() {
    this.#range.value = (this.#low + this.#high) / 2;
    this.#range.classList.add("unset");
    this.#range.setAttribute("aria-valuetext", gettext("not set yet"));
    this.#button.disabled = true;
    this.#value.textContent = "";
  }

  get #isSet() {
    return !this.#range.classList.contains("unset");
  }

  #mark() {
    this.#range.classList.remove("unset");
    const text = Number(this.#range.value).toFixed(0);
    this.#range.setAttribute("aria-valuetext", text);
    this.#value.textContent = text;
    this.#button.disabled = false;
  }

  #set(value) {
    this.#range.value = Math.min(Math.max(value, this.#low), this.#high);
    this.#mark();
  }

  // An arrow begins at the end that it comes from; digits are tenths of the line.
  #move(by) {
    const width = this.#high - this.#low;
    const from = this.#isSet ? Number(this.#range.value) : by > 0 ? this.#low : this.#high;
    this.#set(from + by * width);
  }

  // fresh: pressed anew, and not held. Returns whether the key is the slider's.
  #key(event, fresh) {
    const right = isMirrored() ? -SMALL : SMALL;
    const steps = {
      ArrowLeft: -right, ArrowDown: -SMALL, ArrowRight: right, ArrowUp: SMALL, PageDown: -LARGE, PageUp: LARGE,
    };
    if (event.key in steps) return this.#move(steps[event.key]), true;
    if (event.key === "Home") return this.#set(this.#low), true;
    if (event.key === "End") return this.#set(this.#high), true;
    const digit = event.code.match(/^(?:Digit|Numpad)([0-9])$/)?.[1];
    if (digit !== undefined) {
      if (fresh) this.#set(this.#low + (Number(digit) / 10) * (this.#high - this.#low));
      return true;
    }
    const onOther = event.target instanceof HTMLButtonElement && event.target !== this.#button;
    if (event.key === "Enter" && !onOther) {
      if (fresh) this.#answer();
      return true;
    }
    return false;
  }

  #answer() {
    if (this.#isSet) this.#give(Number(this.#range.value));
  }
}
