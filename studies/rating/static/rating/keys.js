// The ways to give a score: its button, or the button's key on the main row or the number pad. One press, one score.

import { isMirrored } from "./page.js";

// Calls fresh(event) for a key that goes down, held(event) for one that repeats; what returns true is done with the key.
export function onFreshKey(fresh, held = () => false) {
  const down = new Set();

  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const isFresh = !event.repeat && !down.has(event.code);
    down.add(event.code);
    // A button in focus would be pressed again and again by a held Enter.
    if (!isFresh && (event.key === "Enter" || event.key === " ")) event.preventDefault();
    if (isFresh ? fresh(event) : held(event)) event.preventDefault();
  });
  window.addEventListener("keyup", (event) => {
    down.delete(event.code);
    // While Command is down, a Mac does not report the release of other keys.
    if (event.key === "Meta") down.clear();
  });
  // The release of a key is not seen from another window; a key held since then repeats, and repeats do not count.
  window.addEventListener("blur", () => down.clear());
}

export class Buttons {
  constructor(buttons, give) {
    const keyed = [...buttons].filter((button) => button.dataset.key);
    const byKey = new Map(keyed.map((button) => [button.dataset.key, Number(button.dataset.score)]));
    const byCode = new Map([...byKey].flatMap(([key, score]) => [[`Digit${key}`, score], [`Numpad${key}`, score]]));
    const byArrow = new Map([...buttons].filter((button) => button.dataset.arrow).map((button) => [button.dataset.arrow, Number(button.dataset.score)]));
    const scoreOf = (event) => byArrow.get(event.key) ?? byCode.get(event.code) ?? byKey.get(event.key.toLowerCase()) ?? null;
    const next = (event) => {
      const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!arrow) return false;
      const all = [...buttons];
      const step = isMirrored(all[0].parentElement) ? -arrow : arrow;
      const at = all.indexOf(document.activeElement);
      all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)].focus();
      return true;
    };
    onFreshKey(
      (event) => {
        const score = scoreOf(event);
        if (score === null) return next(event);
        give(score);
        return true;
      },
      (event) => scoreOf(event) !== null || next(event),
    );
    for (const button of buttons) {
      button.addEventListener("click", (event) => {
        // The second click of a double click is meant for the image that is gone.
        if (event.detail <= 1) give(Number(button.dataset.score));
      });
    }
  }

  // Nothing of one image stays for the next.
  reset() {}
}
