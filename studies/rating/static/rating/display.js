// How the window displays images now, and whether the study's largest image can be shown in it pixel by pixel.

import { pageData } from "./page.js";
import { filled, gettext } from "./texts.js";

const { full_screen: needsFullScreen = false } = pageData();

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
    const text = gettext("The page is enlarged, and so would be the images. Please zoom out with two fingers until it has its normal size.");
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
    ? gettext("Please make the window larger, or full screen (F11; Ctrl+Cmd+F on a Mac).")
    : gettext("This screen is too small for it: please reduce the browser's zoom (Ctrl and -), turn the device, or open your link on a larger screen.");
  const sizes = filled(gettext("An image of this study is %(width)s x %(height)s pixels, and this window has %(free_width)s x %(free_height)s for it."), {
    width: worst[0], height: worst[1], free_width: freeWidth, free_height: freeHeight,
  });
  return { text: `${sizes} ${advice}`, fullScreen };
}

// Whether the window is as large as the screen, by the browser's own key or by a page's wish. Sizes are rounded.
export function fillsScreen() {
  const { width, height } = window.screen;
  return Boolean(document.fullscreenElement) || (window.innerWidth >= width - 2 && window.innerHeight >= height - 2);
}

// Of a study that asks for it: a page that is gone to takes the whole screen away again.
function screenNotFilled() {
  if (!needsFullScreen || fillsScreen()) return null;
  return { text: gettext("This study is seen in full screen (F11; Ctrl+Cmd+F on a Mac)."), fullScreen: true };
}

// Raises the problem, if there is one, over the images. Ends by itself once they fit.
export function coverDisplayProblem(overlay, problem) {
  problem ??= screenNotFilled();
  if (!problem) return overlay.lower("display");
  const offer = problem.fullScreen && document.fullscreenEnabled ? { button: gettext("Full screen"), act: fillScreen } : {};
  overlay.raise("display", { title: gettext("Paused"), text: problem.text, withdraw: true, ...offer });
}

export const fillScreen = () => document.documentElement.requestFullscreen();

// Calls `changed` whenever an answer of displayProblem may have changed.
export function watchDisplay(changed) {
  window.addEventListener("resize", changed);
  document.addEventListener("fullscreenchange", changed);
  window.visualViewport?.addEventListener("resize", changed);
  (function watchRatio() {
    const query = window.matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    query.addEventListener("change", () => (changed(), watchRatio()), { once: true });
  })();
}
