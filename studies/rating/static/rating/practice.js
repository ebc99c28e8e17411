// Practice: images rated as the real ones, after each of which the page says what was expected. Nothing is sent.

import { answer } from "./answer.js";
import { coverDisplayProblem, displayProblem, watchDisplay } from "./display.js";
import { Images } from "./images.js";
import { Orientation } from "./orientation.js";
import { Overlay } from "./overlay.js";
import { afterPaint, element, pageData, reloadWhenShownAgain, started } from "./page.js";
import { Stage } from "./stage.js";
import { filled, gettext } from "./texts.js";

const AHEAD = 5;
const data = pageData();
const trials = data.practice;
let index = 0;
let paintedAt = null; // when the present image was first seen
let answered = false;
let greyUntil = 0;
let grey = 0; // the timer of the grey between two images

const overlay = new Overlay((covered) => (covered ? hide() : show()));
const stage = new Stage(element("stage"), checkDisplay);
const orientation = new Orientation(stage, data.orientation_ms, (text) => (element("status").textContent = text));
const images = new Images({
  loaded: (trial) => trial === trials[index] && show(),
  refused: ({ message }) => overlay.raise("refused", { title: gettext("This cannot go on here"), text: message }),
  troubled: (trial, text) => trial === trials[index] && (element("status").textContent = text),
});
const given = answer(document.querySelector(".controls"), rate);

function show() {
  const trial = trials[index];
  element("place").textContent = filled(gettext("Practice %(place)s of %(total)s"), { place: index + 1, total: trials.length });
  element("bar").value = index / trials.length;
  images.want(trials.slice(index, index + AHEAD));
  clearTimeout(grey);
  const bitmap = images.get(trial);
  const left = greyUntil - performance.now();
  if (left > 0) grey = setTimeout(show, left);
  if (left > 0 || overlay.covered || !bitmap) return hide();
  if (orientation.isDue(trial)) {
    const isOver = () => trial !== trials[index] || overlay.covered;
    return orientation.show(trial, images.whole(trial), { isOver, then: show });
  }
  stage.show(bitmap);
  afterPaint((now) => {
    if (trial !== trials[index] || overlay.covered) return;
    if (!answered) element("status").textContent = "";
    paintedAt ??= now;
    element("stage").dataset.painted = trial.position;
  });
}

function hide() {
  stage.clear();
  delete element("stage").dataset.painted;
}

function rate(score) {
  if (paintedAt === null || answered || overlay.covered) return;
  if (performance.now() - paintedAt < data.least_view_ms) return; // a slip
  answered = true;
  const { anchor_score: low, anchor_high: high } = trials[index];
  const text = low === high ? gettext("You gave %(score)s; expected: %(low)s") : gettext("You gave %(score)s; expected: %(low)s to %(high)s");
  element("status").textContent = filled(text, { score: Math.round(score), low, high });
  for (const button of document.querySelectorAll("button[data-score]")) {
    button.classList.toggle("expected", low <= Number(button.dataset.score) && Number(button.dataset.score) <= high);
  }
  element("next").textContent = index < trials.length - 1 ? gettext("Next") : gettext("Go on");
  element("next").disabled = false;
  element("next").focus();
}

function next() {
  if (!answered || overlay.covered) return;
  if (index === trials.length - 1) return element("done").requestSubmit();
  index += 1;
  answered = false;
  paintedAt = null;
  greyUntil = performance.now() + data.gap_ms;
  element("next").disabled = true;
  element("status").textContent = "";
  for (const button of document.querySelectorAll(".expected")) button.classList.remove("expected");
  given.reset();
  show();
}

function checkDisplay() {
  coverDisplayProblem(overlay, displayProblem({ largest: data.largest, free: [stage.width, stage.height] }));
}

// The second click of a double click is meant for the image that is gone.
element("next").addEventListener("click", (event) => event.detail <= 1 && next());
watchDisplay(checkDisplay);
reloadWhenShownAgain();
await stage.ready;
started();
show();
