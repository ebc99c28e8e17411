// Small things that every page of a rater needs.

export const element = (id) => document.getElementById(id);

export const pageData = () => JSON.parse(element("page-data").textContent);

// Whether the page, or this part of it, runs from right to left: then the left arrow goes on.
export const isMirrored = (part = document.documentElement) => getComputedStyle(part).direction === "rtl";

// The scripts of the page have done all that it needs to be used: the words for the other case go.
export const started = () => element("starting")?.remove();

// A page that the browser kept whole and shows again ("back") no longer knows where the rater stands.
export function reloadWhenShownAgain() {
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload();
  });
}

// Calls `then` with the time at which what was drawn just now had been painted: the frame's callbacks run before it is
// painted, a message sent from them arrives after.
export function afterPaint(then) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => then(performance.now());
    channel.port2.postMessage(null);
  });
}

// Waits that double up to 15 s, cut short when the browser finds its network again.
export class Backoff {
  #next = 500;

  reset() {
    this.#next = 500;
  }

  wait() {
    const milliseconds = this.#next;
    this.#next = Math.min(2 * this.#next, 15_000);
    return new Promise((resolve) => {
      const timer = setTimeout(done, milliseconds);
      window.addEventListener("online", done, { once: true });
      function done() {
        clearTimeout(timer);
        window.removeEventListener("online", done);
        resolve();
      }
    });
  }
}
