// The instructions page: is the window large enough? And ratings that an earlier window could not send.

import { displayProblem, fillScreen, watchDisplay } from "./display.js";
import { Outbox } from "./outbox.js";
import { element, pageData, reloadWhenShownAgain, started } from "./page.js";
import { gettext, notYetSaved } from "./texts.js";

const data = pageData();

function checkWindow() {
  const ratio = window.devicePixelRatio;
  const below = document.querySelector(".rehearsal .controls").getBoundingClientRect().height;
  const free = [Math.floor(window.innerWidth * ratio), Math.floor((window.innerHeight - below) * ratio)];
  const problem = displayProblem({ largest: data.largest, free });
  element("agree").disabled = Boolean(problem) && !data.window_is_looked_at;
  element("fit").hidden = !problem;
  element("fit-text").textContent = problem?.text ?? "";
  element("full-screen").hidden = !(problem?.fullScreen && document.fullscreenEnabled);
}

function unsaved(number) {
  element("unsent").textContent = number ? notYetSaved(number) : gettext("All ratings are saved");
}

const outbox = new Outbox({
  key: data.outbox,
  urls: data,
  on: {
    saved() {},
    conflict: ({ message }) => (element("unsent").textContent = message),
    stands: ({ message }) => (element("unsent").textContent = message),
    takenBack: ({ message }) => (element("unsent").textContent = message),
    disorder() {},
    refused: ({ message }) => (element("unsent").textContent = message),
    unsaved,
  },
});

element("full-screen").addEventListener("click", fillScreen);
watchDisplay(checkWindow);
reloadWhenShownAgain();
checkWindow();
started();
await outbox.load();
if (outbox.size) outbox.send();
