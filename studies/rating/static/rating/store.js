// Ratings on this computer's disk until the server has them. IndexedDB and not localStorage: what it has written
// outlives a killed browser, while localStorage is kept in memory for seconds. Where the browser forbids storing, every
// operation does nothing, and ratings live as long as their window.

const NAME = "rater";
const RATINGS = "ratings";

export class Store {
  #session;
  #database;

  // `session` keeps the ratings of several invitations apart.
  constructor(session) {
    this.#session = session;
    this.#database = open().catch(() => null);
  }

  // Every stored rating of the session.
  async all() {
    return (await this.#run("readonly", (ratings) => ratings.getAll(this.#range()))) ?? [];
  }

  // rating.position is its key; what is already there under it stays.
  add(rating) {
    return this.#run("readwrite", (ratings) => ratings.add({ ...rating, session: this.#session }));
  }

  remove(position) {
    return this.#run("readwrite", (ratings) => ratings.delete([this.#session, position]));
  }

  clear() {
    return this.#run("readwrite", (ratings) => ratings.delete(this.#range()));
  }

  #range() {
    return IDBKeyRange.bound([this.#session, 0], [this.#session, Infinity]);
  }

  async #run(mode, operation) {
    const database = await this.#database;
    if (!database) return null;
    const transaction = database.transaction(RATINGS, mode, { durability: "strict" });
    const request = operation(transaction.objectStore(RATINGS));
    return new Promise((resolve) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => resolve(null);
    });
  }
}

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(RATINGS, { keyPath: ["session", "position"] });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
