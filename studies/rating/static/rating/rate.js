// The rating page: shows the image that is due, takes its score, goes on to the next.

import { answer } from "./answer.js";
import { coverDisplayProblem, displayFacts, displayProblem, watchDisplay } from "./display.js";
import { Images } from "./images.js";
import { onFreshKey } from "./keys.js";
import { Orientation } from "./orientation.js";
import { Outbox } from "./outbox.js";
import { Overlay } from "./overlay.js";
import { Backoff, afterPaint, element, pageData, reloadWhenShownAgain, started } from "./page.js";
import { Pair } from "./pair.js";
import { Stage } from "./stage.js";
import { Stopwatch } from "./stopwatch.js";
import { beenRating, filled, gettext, goesOnOnceSaved, keptHere, notYetSaved } from "./texts.js";

const MINUTE = 60_000;
const data = pageData();

const words = data.task
  ? {
      place: gettext("Pair %(place)s of %(total)s"),
      rated: data.task === "pair" ? gettext("Pair %(place)s: chosen") : gettext("Pair %(place)s: rated"),
      takenBack: gettext("Pair %(place)s: taken back"),
      elsewhere: gettext("This pair was answered in another window or on another device. That answer stands."),
    }
  : {
      place: gettext("Image %(place)s of %(total)s"),
      rated: gettext("Image %(place)s: rated"),
      takenBack: gettext("Image %(place)s: taken back"),
      elsewhere: gettext("This image was rated in another window or on another device. That rating stands."),
    };

let standing = data.standing; // what the server last said
let trial = null; // the one that is due here
let last = standing.last; // the one whose rating can be taken back
let aside = null; // {trial, watch, waited} of the one that was on the screen when the one before it was taken back
let onScreen = false; // its image has been painted and can be seen
let watch = null; // runs from the first frame that showed it
let greySince = null; // when the image before it left the screen
let dueSince = null; // from when it could have been seen, had it been there
let waited = 0; // how long it was not there
let grey = 0; // the timer of the grey between two images
let lastActive = Date.now();
let restUntil = Date.now() + (standing.rest ?? 0) * 1000;
let resting = 0; // the timer of the countdown

const work = new Stopwatch(performance.now());
let restedAt = 0;

const overlay = new Overlay(cover);
const stage = new Stage(element("stage"), checkDisplay);
const pair = data.task ? new Pair(stage, tellView) : null;
const orientation = new Orientation(stage, data.orientation_ms, say);
const images = new Images({
  loaded: (loaded) => !onScreen && loaded.token === trial?.token && paint(),
  refused: withheld,
  troubled: (late, text) => late.token === trial?.token && say(text),
});
const outbox = new Outbox({
  key: data.outbox,
  urls: data,
  on: { saved, conflict, stands, takenBack, disorder: resync, refused: refuse, unsaved, elsewhere },
});

const given = answer(document.querySelector(".controls"), rate);

// Trials that have no answer: taken back here, or expected by the server.
function open() {
  const expected = standing.upcoming.filter((one) => !outbox.concerns(one.position));
  return [...outbox.reopened(), ...expected].sort((a, b) => a.position - b.position);
}

// Of these the images; the server gives that of a trial taken back once it knows of it, until then ours is kept.
function wantImages() {
  const there = open().filter((one) => images.get(one) || !outbox.concerns(one.position));
  images.want(there, last ? [last] : []);
}

function next() {
  trial = open()[0] ?? null;
  if (watch) greySince = performance.now();
  pair?.setVisible(false, performance.now());
  watch = dueSince = null;
  if (trial && aside?.trial.token === trial.token) {
    ({ watch, waited } = aside);
    aside = null;
  }
  offerUndo();
  given.reset();
  hide();
  if (!trial) return standStill();
  element("place").textContent = filled(words.place, { place: standing.rated + outbox.more + 1, total: standing.total });
  element("bar").value = (standing.rated + outbox.more) / standing.total;
  overlay.lower("waiting");
  offerPause();
  paint();
  wantImages();
}

function paint() {
  const bitmap = trial && images.get(trial);
  if (!trial || overlay.covered || document.hidden) return stage.clear();
  clearTimeout(grey);
  const left = greySince === null ? 0 : greySince + data.gap_ms - performance.now();
  if (left > 0) {
    stage.clear();
    grey = setTimeout(paint, left);
    return;
  }
  dueSince ??= performance.now();
  if (!bitmap) {
    say(gettext("Loading the image"));
    return stage.clear();
  }
  const drawn = trial;
  if (!watch && orientation.isDue(trial)) return orient(drawn);
  if (pair) pair.show(trial, { left: bitmap, right: images.right(trial), original: images.original(trial) });
  else stage.show(bitmap);
  afterPaint((now) => {
    if (drawn !== trial || overlay.covered || document.hidden) return;
    if (watch) watch.setVisible(true, now);
    else {
      watch = new Stopwatch(now);
      waited = now - dueSince;
    }
    pair?.setVisible(true, now);
    onScreen = true;
    lastActive = Date.now();
    element("stage").dataset.painted = trial.position;
    say("");
  });
}

// The whole image first; its time is none that was waited.
function orient(drawn) {
  const waitedSoFar = performance.now() - dueSince;
  orientation.show(drawn, images.whole(drawn), {
    isOver: () => drawn !== trial || overlay.covered || document.hidden,
    then() {
      dueSince = performance.now() - waitedSoFar;
      paint();
    },
  });
}

function hide() {
  onScreen = false;
  delete element("stage").dataset.painted;
}

function rate(score) {
  if (!onScreen || overlay.covered || document.hidden) return;
  if (awayTooLong()) return window.location.reload();
  const { seen, unseen } = watch.read(performance.now());
  if (seen < data.least_view_ms) return; // a slip
  if (pair && !pair.wasSeen(data.least_view_ms, performance.now())) return say(gettext("Please look at both images first"));
  const receipt = images.receipt(trial);
  const times = { response_ms: seen, hidden_ms: unseen, waited_ms: waited };
  outbox.rate(trial, { score, receipt, ...times, ...displayFacts(), ...stage.facts(), ...pair?.facts() });
  last = trial;
  lastActive = Date.now();
  element("heard").textContent = filled(words.rated, { place: standing.rated + outbox.more });
  next();
}

// of pairs

function toggle() {
  change(() => pair.toggle(performance.now()));
}

function toggleOriginal() {
  change(() => pair.toggleOriginal(performance.now()));
}

function change(turn) {
  if (!onScreen || overlay.covered || document.hidden) return;
  turn();
  say("");
  lastActive = Date.now();
}

// Which image stands there, where it is one; the buttons of a choice say it too. The original is called so.
function tellView(view) {
  const told =
    data.task === "degradation"
      ? { both: gettext("Left: the original"), left: gettext("The original"), right: gettext("The image to rate") }
      : { both: gettext("Both images"), left: gettext("Left image"), right: gettext("Right image"), original: gettext("The original") };
  element("view").textContent = told[view];
  element("stage").dataset.view = view;
  element("original")?.setAttribute("aria-pressed", view === "original");
  for (const button of document.querySelectorAll("button[data-side]")) button.classList.toggle("seen-now", button.dataset.side === view);
}

// undo

function offerUndo() {
  if (!data.may_undo) return;
  // The last image ends the session.
  if (standing.rated + outbox.more >= standing.total) last = null;
  element("undo").disabled = !last;
}

function undo() {
  if (!data.may_undo || !last || overlay.covered || document.hidden) return;
  if (awayTooLong()) return window.location.reload();
  if (trial && watch) {
    watch.setVisible(false, performance.now());
    pair?.setVisible(false, performance.now());
    aside = { trial, watch, waited };
  }
  const taken = last;
  last = null;
  element("heard").textContent = filled(words.takenBack, { place: standing.rated + outbox.more });
  lastActive = Date.now();
  outbox.takeBack(taken);
  next();
}

// Nothing can be shown: all is rated, or the images loaded ahead are used up.
function standStill() {
  stage.clear();
  if (standing.rest && standing.rated < standing.total) return rest();
  if (outbox.size === 0) return standing.rated >= standing.total ? window.location.replace(data.home) : resync();
  // An answer that takes a moment only is no interruption.
  setTimeout(() => {
    if (trial || outbox.size === 0) return;
    overlay.raise("waiting", { title: gettext("Waiting for the connection"), text: goesOnOnceSaved(outbox.size) });
  }, 500);
}

// answers of the server

function saved(answer) {
  receive(answer);
  if (!trial) next();
  else if (!standing.rest) wantImages();
}

function receive(answer) {
  standing = answer;
  if (standing.rest) {
    restUntil = Date.now() + standing.rest * 1000;
    // What is being looked at is still rated.
    if (!watch) trial = null;
    return;
  }
  const [first] = standing.upcoming;
  // What is unsent of ours about it the server does not know yet.
  if (!trial || outbox.concerns(trial.position)) return;
  if (!first || first.position > trial.position) elsewhere(trial.position);
}

let syncing = false;

// Asks the server where the session stands, and goes on there.
async function resync() {
  if (syncing) return;
  syncing = true;
  await outbox.load();
  const { ok, answer } = await askStanding();
  if (ok) {
    standing = answer;
    if (outbox.size === 0) last = answer.last;
    const [first] = open();
    if (answer.rest || !trial || first?.token !== trial.token) {
      trial = null;
      receive(answer);
      next();
    } else {
      trial.attempt = first.attempt; // perhaps it was rated and taken back elsewhere
      wantImages();
    }
    outbox.send();
  } else refuse(answer);
  syncing = false;
}

async function askStanding() {
  const backoff = new Backoff();
  for (;;) {
    try {
      const response = await fetch(data.upcoming, { cache: "no-store" });
      if (response.status < 500) return { ok: response.ok, answer: await response.json() };
    } catch {
      // No network: as a server that fails.
    }
    say(gettext("No connection - trying again"));
    await backoff.wait();
  }
}

// The server does not give an image that was loaded ahead: its turn has not come.
function withheld(answer) {
  if (answer.code === "not-due") resync();
  else if (answer.code !== "rest") refuse(answer);
  else if (!watch) resync(); // else its answer says how long
}

function conflict({ message }) {
  askToGoOn(message);
}

function stands({ message }) {
  askToGoOn(message, gettext("Not taken back"));
}

function takenBack({ message }) {
  askToGoOn(message, gettext("Taken back"));
}

function elsewhere(position) {
  if (trial?.position === position) askToGoOn(words.elsewhere);
}

function askToGoOn(text, title = gettext("Already rated")) {
  const act = () => {
    trial = null;
    overlay.lower("elsewhere");
    resync();
  };
  overlay.raise("elsewhere", { title, text, button: gettext("Go on"), act });
}

function refuse({ code, message }) {
  if (code === "ended") return window.location.replace(data.home); // which says how
  const text = code === "withdrawn" || !outbox.size ? message : `${message} ${keptHere(outbox.size)}`;
  if (code === "withdrawn") outbox.forget();
  overlay.raise("refused", { title: gettext("This cannot go on here"), text });
}

// interruptions

function cover(covered) {
  const now = performance.now();
  work.setVisible(!covered && !document.hidden, now);
  if (!covered) return paint();
  dueSince = null;
  watch?.setVisible(false, now);
  pair?.setVisible(false, now);
  stage.clear();
  hide();
}

function turnedVisible() {
  const now = performance.now();
  work.setVisible(!overlay.covered && !document.hidden, now);
  if (document.hidden) {
    dueSince = null;
    pair?.setVisible(false, now);
    return watch?.setVisible(false, now);
  }
  if (awayTooLong()) return window.location.reload();
  if (!onScreen) return paint();
  watch.setVisible(true, now);
  pair?.setVisible(true, now);
}

function checkDisplay() {
  pair?.refit(performance.now());
  coverDisplayProblem(overlay, displayProblem({ largest: data.largest, free: [stage.width, stage.height] }));
}

// Between two sittings; it ends by itself.
function rest() {
  clearTimeout(resting);
  const left = Math.ceil((restUntil - Date.now()) / 1000);
  if (left > 0) {
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    const text = gettext("Please rest your eyes. It goes on by itself in %(clock)s. You can also close this window and come back later with the same link.");
    overlay.raise("rest", { title: gettext("Time for a rest"), text: filled(text, { clock }), withdraw: true });
    resting = setTimeout(rest, 1000);
    return;
  }
  if (awayTooLong()) return window.location.reload();
  restedAt = work.read(performance.now()).seen;
  overlay.lower("rest");
  resync();
}

function offerPause() {
  const minutes = Math.round((work.read(performance.now()).seen - restedAt) / MINUTE);
  if (minutes >= data.pause_minutes) pause(beenRating(minutes));
}

function pause(text) {
  const act = () => {
    if (awayTooLong()) return window.location.reload();
    restedAt = work.read(performance.now()).seen;
    overlay.lower("pause");
  };
  text += ` ${gettext("You can also close this window and go on later with the same link.")}`;
  overlay.raise("pause", { title: gettext("Pause"), text, button: gettext("Go on rating"), act, withdraw: true });
}

// Then the server shows the instructions again.
const awayTooLong = () => Date.now() - lastActive > data.reminder_minutes * MINUTE;

function say(text) {
  if (!unsavedText) element("status").textContent = text;
}

let unsavedText = "";

function unsaved(number) {
  if (!number && !unsavedText) return;
  unsavedText = number ? notYetSaved(number) : "";
  element("status").textContent = unsavedText || gettext("All ratings are saved");
}

element("undo")?.addEventListener("click", (event) => event.detail <= 1 && undo());
window.addEventListener("keydown", (event) => event.key === "Backspace" && !event.repeat && undo());
element("pause").addEventListener("click", () => pause(gettext("The image comes back when you go on.")));
if (pair) {
  element("toggle").addEventListener("click", toggle);
  element("stage").addEventListener("click", toggle);
  onFreshKey((event) => event.key === "ArrowUp" && (toggle(), true));
}
if (element("original")) {
  element("original").addEventListener("click", toggleOriginal);
  // Where the key in its place writes no Latin letter, that one.
  const isR = (event) => event.key.toLowerCase() === "r" || (event.code === "KeyR" && !/^[a-z]$/i.test(event.key));
  onFreshKey((event) => isR(event) && (toggleOriginal(), true));
}
document.addEventListener("visibilitychange", turnedVisible);
watchDisplay(checkDisplay);
reloadWhenShownAgain();
await Promise.all([stage.ready, outbox.load()]);
started();
if (data.announce && outbox.size === 0) {
  const text = gettext("What you saw so far was to get to know the scale. From now on rate what you see; every answer counts.");
  overlay.raise("begin", { title: gettext("Now it counts"), text, button: gettext("Start rating"), act: () => overlay.lower("begin") });
}
next();
outbox.send();
