// The area in which an image is shown: one canvas whose pixels are the screen's pixels, whatever devicePixelRatio or
// zoom. An image is drawn on it at whole pixels and never scaled.

const SURROUND = "#808080";

export class Stage {
  #canvas;
  #context;
  #bitmap = null;
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

  show(bitmap) {
    this.#bitmap = bitmap;
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
    if (!bitmap || !this.fits(bitmap.width, bitmap.height)) return;
    this.#context.imageSmoothingEnabled = false;
    this.#context.drawImage(bitmap, Math.floor((width - bitmap.width) / 2), Math.floor((height - bitmap.height) / 2));
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
