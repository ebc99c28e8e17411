// The next few images, fetched and decoded ahead.

import { Backoff } from "./page.js";

export class Images {
  #wanted = [];
  #bitmaps = new Map();
  #receipts = new Map();
  #loading = false;
  #loaded;
  #refused;
  #troubled;

  // loaded(trial): its bitmap is there. refused({code, message}): the server will not give an image.
  // troubled(trial): it could not be fetched and is tried again.
  constructor({ loaded, refused, troubled }) {
    this.#loaded = loaded;
    this.#refused = refused;
    this.#troubled = troubled;
  }

  // The trials whose images are needed, the most urgent first; all others are let go but what `kept` has already.
  want(trials, kept = []) {
    this.#wanted = trials;
    const tokens = new Set([...trials, ...kept].map((trial) => trial.token));
    for (const [token, bitmap] of this.#bitmaps) {
      if (tokens.has(token)) continue;
      bitmap.close();
      this.#bitmaps.delete(token);
      this.#receipts.delete(token);
    }
    this.#load();
  }

  get(trial) {
    return this.#bitmaps.get(trial.token);
  }

  // What the server signed when it sent the image: its rating brings it back.
  receipt(trial) {
    return this.#receipts.get(trial.token);
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
    while ((trial = this.#wanted.find((one) => !this.#bitmaps.has(one.token)))) {
      try {
        const { bitmap, receipt } = await fetchImage(trial);
        if (!this.#isWanted(trial)) {
          bitmap.close();
          continue;
        }
        this.#bitmaps.set(trial.token, bitmap);
        this.#receipts.set(trial.token, receipt);
        backoff.reset();
        this.#loaded(trial);
      } catch (error) {
        if (error instanceof Refused) {
          if (!this.#isWanted(trial)) continue;
          this.#wanted = [];
          this.#refused(error.answer);
          break;
        }
        this.#troubled(trial);
        await backoff.wait();
      }
    }
    this.#loading = false;
  }
}

export const receiptOf = (response) => response.headers.get("Receipt") ?? "";

class Refused extends Error {
  constructor(answer) {
    super(answer.message);
    this.answer = answer;
  }
}

async function fetchImage(trial) {
  const response = await fetch(trial.url, { cache: "no-store", signal: AbortSignal.timeout(60_000) });
  if ([403, 404, 409].includes(response.status)) throw new Refused(await response.json());
  if (!response.ok) throw new Error(`image: ${response.status}`);
  const bitmap = await createImageBitmap(await response.blob(), { colorSpaceConversion: "none" });
  if (bitmap.width !== trial.width || bitmap.height !== trial.height) throw new Error("image: cut off");
  return { bitmap, receipt: receiptOf(response) };
}
