// The area in which an image is shown: one canvas whose pixels are the screen's pixels, whatever devicePixelRatio or
// zoom. An image that is rated is drawn on it at whole pixels and never scaled; made smaller is only the whole image that
// is shown before a region of it.

const SURROUND = "#808080";
const FRAME = "#ffffff";
const FRAME_EDGE = "#000000";
const GAP = 24; // between two images, in CSS pixels

export class Stage {
  #canvas;
  #context;
  #bitmap = null;
  #second = null; // the right one of two
  #frame = null; // of a whole image: left, top, width and height of its region, in shares of its size
  #measured;

  // `resized` is called after every change of the stage's size, the first measurement included.
  constructor(canvas, resized) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
    this.ready = new Promise((resolve) => (this.#measured = resolve));
    const observer = new ResizeObserver((entries) => {
      this.#resize(deviceSize(canvas, entries.at(-1)));
      this.#measured();
      resized();
    });
    try {
      observer.observe(canvas, { box: "device-pixel-content-box" });
    } catch {
      // Safari does not report device pixels; there the ratio is a whole number and the product exact.
      observer.observe(canvas);
    }
  }

  // In device pixels.
  get width() {
    return this.#canvas.width;
  }

  get height() {
    return this.#canvas.height;
  }

  // Of the area for images: what it is drawn with and what the page gives it, to be compared by devicePixelRatio.
  facts() {
    const { width, height } = this.#canvas.getBoundingClientRect();
    return { canvas_width: this.width, canvas_height: this.height, canvas_css_width: width, canvas_css_height: height };
  }

  fits(width, height) {
    return width <= this.width && height <= this.height;
  }

  // Whether two images have room side by side.
  fitsTwo(left, right) {
    return this.fits(left.width + this.#gap + right.width, Math.max(left.height, right.height));
  }

  get #gap() {
    return Math.round(GAP * window.devicePixelRatio);
  }

  show(bitmap) {
    this.showTwo(bitmap, null);
  }

  // Side by side; of the left one alone where there is no right one.
  showTwo(bitmap, second) {
    this.#bitmap = bitmap;
    this.#second = second;
    this.#frame = null;
    this.#draw();
  }

  // As it is or smaller, never enlarged, with its region framed.
  showWhole(bitmap, frame) {
    this.#bitmap = bitmap;
    this.#second = null;
    this.#frame = frame;
    this.#draw();
  }

  clear() {
    this.show(null);
  }

  #resize([width, height]) {
    if (width === this.#canvas.width && height === this.#canvas.height) return;
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.#draw();
  }

  #draw() {
    const { width, height } = this.#canvas;
    this.#context.fillStyle = SURROUND;
    this.#context.fillRect(0, 0, width, height);
    const bitmap = this.#bitmap;
    if (this.#frame) return this.#drawWhole();
    if (!bitmap || !this.fits(bitmap.width, bitmap.height)) return;
    this.#context.imageSmoothingEnabled = false;
    if (this.#second) return this.#drawTwo();
    this.#context.drawImage(bitmap, Math.floor((width - bitmap.width) / 2), Math.floor((height - bitmap.height) / 2));
  }

  #drawTwo() {
    const [left, right] = [this.#bitmap, this.#second];
    if (!this.fitsTwo(left, right)) return;
    const { width, height } = this.#canvas;
    const start = Math.floor((width - left.width - this.#gap - right.width) / 2);
    const top = (bitmap) => Math.floor((height - bitmap.height) / 2);
    this.#context.drawImage(left, start, top(left));
    this.#context.drawImage(right, start + left.width + this.#gap, top(right));
  }

  #drawWhole() {
    const { width, height } = this.#canvas;
    const { width: wide, height: high } = this.#bitmap;
    const scale = Math.min(1, width / wide, height / high);
    const [shownWide, shownHigh] = [Math.floor(wide * scale), Math.floor(high * scale)];
    const [left, top] = [Math.floor((width - shownWide) / 2), Math.floor((height - shownHigh) / 2)];
    const context = this.#context;
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#bitmap, left, top, shownWide, shownHigh);
    const [x, y, w, h] = this.#frame;
    const line = Math.max(2, Math.round(window.devicePixelRatio * 2));
    const framed = [left + x * shownWide, top + y * shownHigh, w * shownWide, h * shownHigh].map(Math.round);
    // White within black: it is seen on any image.
    for (const [color, thick] of [[FRAME_EDGE, 2 * line], [FRAME, line]]) {
      context.strokeStyle = color;
      context.lineWidth = thick;
      context.strokeRect(...framed);
    }
  }
}

function deviceSize(canvas, entry) {
  const size = entry.devicePixelContentBoxSize?.[0];
  if (size) return [size.inlineSize, size.blockSize];
  const box = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio;
  const span = (start, end) => Math.round(end * ratio) - Math.round(start * ratio);
  return [span(box.left, box.right), span(box.top, box.bottom)];
}
