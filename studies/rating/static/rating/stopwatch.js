// Times of one trial: how long its image could be seen, and how long it could not since it was first painted.

export class Stopwatch {
  #seen = 0;
  #unseen = 0;
  #since;
  #visible = true;

  constructor(now) {
    this.#since = now;
  }

  setVisible(visible, now) {
    this.#count(now);
    this.#visible = visible;
  }

  read(now) {
    this.#count(now);
    return { seen: this.#seen, unseen: this.#unseen };
  }

  #count(now) {
    if (this.#visible) this.#seen += now - this.#since;
    else this.#unseen += now - this.#since;
    this.#since = now;
  }
}
