// The next few images, fetched and decoded ahead.

import { Backoff } from "./page.js";
import { couldNotLoad } from "./texts.js";

export class Images {
  #wanted = [];
  #found = new Map(); // token -> {image, right, original, whole, receipt}
  #loading = false;
  #loaded;
  #refused;
  #troubled;

  // loaded(trial): its bitmap is there. refused({code, message}): the server will not give an image.
  // troubled(trial, text): it could not be fetched, in words, and is tried again.
  constructor({ loaded, refused, troubled }) {
    this.#loaded = loaded;
    this.#refused = refused;
    this.#troubled = troubled;
  }

  // The trials whose images are needed, the most urgent first; all others are let go but what `kept` has already.
  want(trials, kept = []) {
    this.#wanted = trials;
    const tokens = new Set([...trials, ...kept].map((trial) => trial.token));
    for (const [token, found] of this.#found) {
      if (tokens.has(token)) continue;
      close(found);
      this.#found.delete(token);
    }
    this.#load();
  }

  get(trial) {
    return this.#found.get(trial.token)?.image;
  }

  // The right image of a pair, which is there where the left one is.
  right(trial) {
    return this.#found.get(trial.token)?.right;
  }

  // What both images of a pair were made from, which is there where they are.
  original(trial) {
    return this.#found.get(trial.token)?.original;
  }

  // The whole image to be shown before it, which is there where the image is.
  whole(trial) {
    return this.#found.get(trial.token)?.whole;
  }

  // What the server signed when it sent the image: its rating brings it back.
  receipt(trial) {
    return this.#found.get(trial.token)?.receipt;
  }

  // By its token: the server names a trial anew with every answer.
  #isWanted(trial) {
    return this.#wanted.some((one) => one.token === trial.token);
  }

  async #load() {
    if (this.#loading) return;
    this.#loading = true;
    const backoff = new Backoff();
    let trial;
    while ((trial = this.#wanted.find((one) => !this.#found.has(one.token)))) {
      try {
        const found = await fetchImages(trial);
        if (!this.#isWanted(trial)) {
          close(found);
          continue;
        }
        this.#found.set(trial.token, found);
        backoff.reset();
        this.#loaded(trial);
      } catch (error) {
        if (error instanceof Refused) {
          if (!this.#isWanted(trial)) continue;
          this.#wanted = [];
          this.#refused(error.answer);
          break;
        }
        this.#troubled(trial, error instanceof Missing ? error.message : couldNotLoad());
        await backoff.wait();
      }
    }
    this.#loading = false;
  }
}

function close({ image, right, original, whole }) {
  for (const bitmap of [image, right, original, whole]) bitmap?.close();
}

export const receiptOf = (response) => response.headers.get("Receipt") ?? "";

class Refused extends Error {
  constructor(answer) {
    super(answer.message);
    this.answer = answer;
  }
}

// The server has told the researchers that the image is not there.
class Missing extends Error {}

async function fetchImages(trial) {
  const whole = trial.whole ? (await fetchBitmap(trial.whole.url)).bitmap : null;
  const fetched = await Promise.all(inAnyOrder([trial.url, trial.right, trial.original].filter(Boolean)));
  for (const { bitmap } of fetched) {
    if (bitmap.width !== trial.width || bitmap.height !== trial.height) throw new Error("image: cut off");
  }
  const [image, right, original] = fetched.map(({ bitmap }) => bitmap);
  // Of a pair all receipts, the left one's first, the original's last.
  return { image, right, original, whole, receipt: fetched.map(({ receipt }) => receipt).join(" ") };
}

// Fetches that are begun in random order and stand in that of the addresses: which image of a pair is asked for first
// says nothing.
function inAnyOrder(urls) {
  const fetches = [];
  const places = [...urls.keys()];
  while (places.length) {
    const [place] = places.splice(Math.floor(Math.random() * places.length), 1);
    fetches[place] = fetchBitmap(urls[place]);
  }
  return fetches;
}

async function fetchBitmap(url) {
  const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(60_000) });
  if ([403, 404, 409].includes(response.status)) throw new Refused(await response.json());
  if (response.status === 503) {
    const { code, message } = await response.json().catch(() => ({}));
    if (code === "image-unavailable") throw new Missing(message);
  }
  if (!response.ok) throw new Error(`image: ${response.status}`);
  const bitmap = await createImageBitmap(await response.blob(), { colorSpaceConversion: "none" });
  return { bitmap, receipt: receiptOf(response) };
}
