// The calibration: both ends of the scale for each example, at the rater's own pace.

import { coverDisplayProblem, displayProblem, watchDisplay } from "./display.js";
import { Images } from "./images.js";
import { Overlay } from "./overlay.js";
import { element, isMirrored, pageData, reloadWhenShownAgain, started } from "./page.js";
import { Stage } from "./stage.js";
import { filled, gettext } from "./texts.js";

const AHEAD = 5;
const data = pageData();
const trials = data.examples;
let index = 0;

const overlay = new Overlay((covered) => (covered ? stage.clear() : show()));
const stage = new Stage(element("stage"), checkDisplay);
const images = new Images({
  loaded: (trial) => trial === trials[index] && show(),
  refused: ({ message }) => overlay.raise("refused", { title: gettext("This cannot go on here"), text: message }),
  troubled: (trial, text) => trial === trials[index] && (element("status").textContent = text),
});

function show() {
  const trial = trials[index];
  const bitmap = images.get(trial);
  const label = element("scores").querySelector(`[data-score="${trial.anchor_score}"]`);
  element("place").textContent = filled(gettext("Example %(place)s of %(total)s"), { place: index + 1, total: trials.length });
  element("bar").value = index / trials.length;
  for (const item of element("scores").children) item.classList.toggle("shown", item === label);
  const level = [label.dataset.score, label.dataset.label].filter(Boolean).join(" - ");
  element("status").textContent = filled(gettext("This is %(level)s"), { level });
  element("back").disabled = index === 0;
  element("next").textContent = index < trials.length - 1 ? gettext("Next example") : data.last;
  if (bitmap && !overlay.covered) {
    stage.show(bitmap);
    element("stage").dataset.painted = trial.position;
  } else {
    stage.clear();
    delete element("stage").dataset.painted;
  }
  images.want(trials.slice(Math.max(index - 1, 0), index + AHEAD));
}

function step(by) {
  if (overlay.covered || index + by < 0) return;
  // What was not seen is not passed over.
  if (by > 0 && !images.get(trials[index])) return;
  if (index + by === trials.length) return element("done").requestSubmit();
  index += by;
  show();
}

function checkDisplay() {
  coverDisplayProblem(overlay, displayProblem({ largest: data.largest, free: [stage.width, stage.height] }));
}

window.addEventListener("keydown", (event) => {
  const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (arrow && !event.repeat) step(isMirrored() ? -arrow : arrow);
  if (event.repeat && (event.key === "Enter" || event.key === " ")) event.preventDefault();
});
element("back").addEventListener("click", () => step(-1));
element("next").addEventListener("click", () => step(+1));
watchDisplay(checkDisplay);
reloadWhenShownAgain();
await stage.ready;
started();
element("next").focus();
show();
