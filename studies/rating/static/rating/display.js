// How the window displays images now, and whether the study's largest image can be shown in it pixel by pixel.

export function displayFacts() {
  return {
    device_pixel_ratio: window.devicePixelRatio,
    visual_viewport_scale: window.visualViewport?.scale ?? 1,
    viewport_width: window.innerWidth,
    viewport_height: window.innerHeight,
    screen_width: window.screen.width,
    screen_height: window.screen.height,
  };
}

// Zoomed in with two fingers, the browser enlarges the whole page, image included.
export const pinched = () => Math.abs((window.visualViewport?.scale ?? 1) - 1) > 0.001;

// Null, or {text, fullScreen}: what is wrong and what to do, and whether the full screen is large enough. Sizes are in
// device pixels; `largest` has those of the study's largest images, `free` is what an image has for itself.
export function displayProblem({ largest, free }) {
  if (pinched()) {
    const text = "The page is enlarged, and so would be the images. Please zoom out with two fingers until it has its normal size.";
    return { text, fullScreen: false };
  }
  const [freeWidth, freeHeight] = free;
  const missing = ([width, height]) => Math.max(width - freeWidth, height - freeHeight);
  const worst = largest.reduce((one, other) => (missing(other) > missing(one) ? other : one));
  if (missing(worst) <= 0) return null;
  const ratio = window.devicePixelRatio;
  const spareWidth = (window.screen.width - window.innerWidth) * ratio;
  const spareHeight = (window.screen.height - window.innerHeight) * ratio;
  const fullScreen = largest.every(([width, height]) => width <= freeWidth + spareWidth && height <= freeHeight + spareHeight);
  const advice = fullScreen
    ? "Please make the window larger, or full screen (F11; Ctrl+Cmd+F on a Mac)."
    : "This screen is too small for it: please reduce the browser's zoom (Ctrl and -), turn the device, or open your link on a larger screen.";
  const sizes = `An image of this study is ${worst[0]} x ${worst[1]} pixels, and this window has ${freeWidth} x ${freeHeight} for it.`;
  return { text: `${sizes} ${advice}`, fullScreen };
}

// Raises the problem, if there is one, over the images. Ends by itself once they fit.
export function coverDisplayProblem(overlay, problem) {
  if (!problem) return overlay.lower("display");
  const offer = problem.fullScreen && document.fullscreenEnabled ? { button: "Full screen", act: fillScreen } : {};
  overlay.raise("display", { title: "Paused", text: problem.text, withdraw: true, ...offer });
}

export const fillScreen = () => document.documentElement.requestFullscreen();

// Calls `changed` whenever an answer of displayProblem may have changed.
export function watchDisplay(changed) {
  window.addEventListener("resize", changed);
  window.visualViewport?.addEventListener("resize", changed);
  (function watchRatio() {
    const query = window.matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    query.addEventListener("change", () => (changed(), watchRatio()), { once: true });
  })();
}
