// The rating page: shows the image that is due, takes its score, goes on to the next.

import { answer } from "./answer.js";
import { coverDisplayProblem, displayFacts, displayProblem, watchDisplay } from "./display.js";
import { Images } from "./images.js";
import { Outbox } from "./outbox.js";
import { Overlay } from "./overlay.js";
import { Backoff, afterPaint, count, element, pageData, reloadWhenShownAgain, started } from "./page.js";
import { Stage } from "./stage.js";
import { Stopwatch } from "./stopwatch.js";

const MINUTE = 60_000;
const data = pageData();
started();

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
const images = new Images({
  loaded: (loaded) => !onScreen && loaded.token === trial?.token && paint(),
  refused: withheld,
  troubled: (late) => late.token === trial?.token && say("An image could not be loaded - trying again"),
});
const outbox = new Outbox({
  key: data.outbox,
  urls: data,
  on: { saved, conflict, stands, disorder: resync, refused: refuse, unsaved, elsewhere },
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
  watch = dueSince = null;
  if (trial && aside?.trial.token === trial.token) {
    ({ watch, waited } = aside);
    aside = null;
  }
  offerUndo();
  given.reset();
  hide();
  if (!trial) return standStill();
  element("place").textContent = `Image ${standing.rated + outbox.more + 1} of ${standing.total}`;
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
    say("Loading the image");
    return stage.clear();
  }
  const drawn = trial;
  stage.show(bitmap);
  afterPaint((now) => {
    if (drawn !== trial || overlay.covered || document.hidden) return;
    if (watch) watch.setVisible(true, now);
    else {
      watch = new Stopwatch(now);
      waited = now - dueSince;
    }
    onScreen = true;
    lastActive = Date.now();
    element("stage").dataset.painted = trial.position;
    say("");
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
  const receipt = images.receipt(trial);
  const times = { response_ms: seen, hidden_ms: unseen, waited_ms: waited };
  outbox.rate(trial, { score, receipt, ...times, ...displayFacts(), ...stage.facts() });
  last = trial;
  lastActive = Date.now();
  element("heard").textContent = `Image ${standing.rated + outbox.more}: rated`;
  next();
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
    aside = { trial, watch, waited };
  }
  const taken = last;
  last = null;
  element("heard").textContent = `Image ${standing.rated + outbox.more}: taken back`;
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
    const text = `It goes on once ${count(outbox.size, "rating")} could be saved. Until then they are kept in this browser, even if you close it.`;
    overlay.raise("waiting", { title: "Waiting for the connection", text });
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
    say("No connection - trying again");
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
  askToGoOn(message, "Not taken back");
}

function elsewhere(position) {
  if (trial?.position === position) askToGoOn("This image was rated in another window or on another device. That rating stands.");
}

function askToGoOn(text, title = "Already rated") {
  const act = () => {
    trial = null;
    overlay.lower("elsewhere");
    resync();
  };
  overlay.raise("elsewhere", { title, text, button: "Go on with the next image", act });
}

function refuse({ code, message }) {
  const kept = outbox.size ? ` ${count(outbox.size, "rating")} could not be saved yet; this browser keeps them.` : "";
  if (code === "withdrawn") outbox.forget();
  overlay.raise("refused", { title: "This cannot go on here", text: message + (code === "withdrawn" ? "" : kept) });
}

// interruptions

function cover(covered) {
  const now = performance.now();
  work.setVisible(!covered && !document.hidden, now);
  if (!covered) return paint();
  dueSince = null;
  watch?.setVisible(false, now);
  stage.clear();
  hide();
}

function turnedVisible() {
  const now = performance.now();
  work.setVisible(!overlay.covered && !document.hidden, now);
  if (document.hidden) {
    dueSince = null;
    return watch?.setVisible(false, now);
  }
  if (awayTooLong()) return window.location.reload();
  if (onScreen) watch.setVisible(true, now);
  else paint();
}

function checkDisplay() {
  coverDisplayProblem(overlay, displayProblem({ largest: data.largest, free: [stage.width, stage.height] }));
}

// Between two sittings; it ends by itself.
function rest() {
  clearTimeout(resting);
  const left = Math.ceil((restUntil - Date.now()) / 1000);
  if (left > 0) {
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    const text = `Please rest your eyes. It goes on by itself in ${clock}. You can also close this window and come back later with the same link.`;
    overlay.raise("rest", { title: "Time for a rest", text, withdraw: true });
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
  if (minutes >= data.pause_minutes) pause(`You have been rating for ${count(minutes, "minute")}: a good time to rest your eyes.`);
}

function pause(text) {
  const act = () => {
    if (awayTooLong()) return window.location.reload();
    restedAt = work.read(performance.now()).seen;
    overlay.lower("pause");
  };
  text += " You can also close this window and go on later with the same link.";
  overlay.raise("pause", { title: "Pause", text, button: "Go on rating", act, withdraw: true });
}

// Then the server shows the instructions again.
const awayTooLong = () => Date.now() - lastActive > data.reminder_minutes * MINUTE;

function say(text) {
  if (!unsavedText) element("status").textContent = text;
}

let unsavedText = "";

function unsaved(number) {
  if (!number && !unsavedText) return;
  unsavedText = number ? `${count(number, "rating")} not yet saved - retrying` : "";
  element("status").textContent = unsavedText || "All ratings are saved";
}

element("undo")?.addEventListener("click", (event) => event.detail <= 1 && undo());
window.addEventListener("keydown", (event) => event.key === "Backspace" && !event.repeat && undo());
element("pause").addEventListener("click", () => pause("The image comes back when you go on."));
document.addEventListener("visibilitychange", turnedVisible);
watchDisplay(checkDisplay);
reloadWhenShownAgain();
await Promise.all([stage.ready, outbox.load()]);
if (data.announce && outbox.size === 0) {
  const text = "What you saw so far was to get to know the scale. From now on rate what you see; every answer counts.";
  overlay.raise("begin", { title: "Now it counts", text, button: "Start rating", act: () => overlay.lower("begin") });
}
next();
outbox.send();
