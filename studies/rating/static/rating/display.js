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

// Null, or what is wrong and what to do. Sizes are in device pixels; `free` is what the image has for itself.
export function displayProblem({ largest, free }) {
  if (pinched()) {
    return "The page is enlarged, and so would be the images. Please zoom out with two fingers until it has its normal size.";
  }
  const [width, height] = largest;
  const [freeWidth, freeHeight] = free;
  if (width <= freeWidth && height <= freeHeight) return null;
  const sizes = `The largest image is ${width} x ${height} pixels, and this window has ${freeWidth} x ${freeHeight} for it. `;
  return sizes + advice(width - freeWidth, height - freeHeight);
}

function advice(missingWidth, missingHeight) {
  const ratio = window.devicePixelRatio;
  const spareWidth = (window.screen.width - window.innerWidth) * ratio;
  const spareHeight = (window.screen.height - window.innerHeight) * ratio;
  if (missingWidth <= spareWidth && missingHeight <= spareHeight) {
    return "Please make the window larger, or full screen (F11; Ctrl+Cmd+F on a Mac).";
  }
  return "This screen is too small for it: please reduce the browser's zoom (Ctrl and -), turn the device, or open your link on a larger screen.";
}

// Calls `changed` whenever an answer of displayProblem may have changed.
export function watchDisplay(changed) {
  window.addEventListener("resize", changed);
  window.visualViewport?.addEventListener("resize", changed);
  (function watchRatio() {
    const query = window.matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    query.addEventListener("change", () => (changed(), watchRatio()), { once: true });
  })();
}
