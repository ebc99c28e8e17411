// The widget with which this study's scale is answered.

import { Buttons } from "./keys.js";
import { Slider } from "./slider.js";

// give(score) is called for each answer; reset() of what is returned prepares for the next image.
export function answer(controls, give) {
  const range = controls.querySelector("input[type=range]");
  if (!range) return new Buttons(controls.querySelectorAll("button[data-score]"), give);
  return new Slider(range, controls.querySelector("#give"), controls.querySelector("#value"), give);
}
