"""From a key press to the next image painted, in Chromium: `python -m tests.bench.bench_keypress`.

200 trials with images of about BSD100's size. Measured in the page, from the key event's time stamp to the
moment after the frame that shows the next image was painted; once at a rater's pace, once as fast as images come.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from tests.e2e.rater import see
from tests.e2e.site import Site

MEASURE = """() => {
  window.times = [];
  let pressed = null;
  window.addEventListener("keydown", (event) => (pressed = event.timeStamp), { capture: true });
  new MutationObserver(() => {
    if (pressed === null || !document.getElementById("stage").dataset.painted) return;
    window.times.push(performance.now() - pressed);
    pressed = null;
  }).observe(document.getElementById("stage"), { attributeFilter: ["data-painted"] });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--think-ms", type=int, default=300)
    parser.add_argument("--pairs", action="store_true", help="two images side by side, of which one is chosen")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        site.start()
        try:
            for name, think in (("at a rater's pace", options.think_ms), ("without thinking", 0)):
                times = measure(site, trials=options.trials, think=think, pairs=options.pairs)
                p50, p95, worst = np.percentile(times, [50, 95, 100])
                what = "pair" if options.pairs else "image"
                print(f"{name}: key press to next {what}, {len(times)} trials: ", end="")
                print(f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, longest {worst:.1f} ms")
        finally:
            site.close()


def measure(site: Site, *, trials: int, think: int, pairs: bool = False) -> list[float]:
    # Three methods, every image twice.
    images = trials // 6 + 1
    study = "invite_to_pairs" if pairs else "invite_to_new_study"
    invitation = site.backstage(study, images=images, height=280, width=480, repeats=3 * images, order="random")
    first = 1 if pairs else 3  # examples come before
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(site.url + invitation.path)
        see(page, first)
        page.evaluate(MEASURE)
        for position in range(first, trials + first):
            see(page, position)
            page.wait_for_timeout(think)
            page.keyboard.press("3")
        see(page, trials + first)
        times: list[float] = page.evaluate("window.times")
        chromium.close()
    return times


if __name__ == "__main__":
    main()
