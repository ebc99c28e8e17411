// The whole image, made smaller, with a frame around the region that is rated after it: for a stated time, once a trial.

import { afterPaint, element } from "./page.js";
import { gettext } from "./texts.js";

export class Orientation {
  #stage;
  #ms;
  #say;
  #seen = null; // the token of the trial whose whole image was seen
  #timer = 0;

  // say(text): tells the rater.
  constructor(stage, ms, say) {
    this.#stage = stage;
    this.#ms = ms;
    this.#say = say;
  }

  isDue(trial) {
    return Boolean(trial.whole) && this.#seen !== trial.token;
  }

  // Shows it for its time, then calls `then`; nothing is called where `isOver()` says that it was covered or is not due
  // any more. Asked again while it is shown, its time begins anew.
  show(trial, bitmap, { isOver, then }) {
    clearTimeout(this.#timer);
    this.#stage.showWhole(bitmap, trial.whole.frame);
    this.#say(gettext("The whole image, made smaller. Rate the part in the frame, which comes next."));
    afterPaint(() => {
      if (isOver()) return;
      element("stage").dataset.whole = trial.position;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        delete element("stage").dataset.whole;
        if (isOver()) return;
        this.#seen = trial.token;
        this.#say("");
        then();
      }, this.#ms);
    });
  }
}
