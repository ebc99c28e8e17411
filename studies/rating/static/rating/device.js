// The page on which the device is looked at: measures the screen and the window, has a bank card held to it, sends what
// was seen. Whether that is fit is for the server to say; here it is said only as far as it can be changed.

import { fillScreen, fillsScreen, watchDisplay } from "./display.js";
import { element, pageData, reloadWhenShownAgain, started } from "./page.js";
import { filled, gettext } from "./texts.js";

// The shorter side of what is taken for a phone, in CSS pixels, where nothing but a finger points.
const PHONE = 600;
const data = pageData();
const form = element("device");
const box = element("card");
const slider = element("card-width");

function isPhone() {
  if (navigator.userAgentData?.mobile) return true;
  const finger = window.matchMedia("(pointer: coarse)").matches && !window.matchMedia("(any-pointer: fine)").matches;
  return finger && Math.min(window.screen.width, window.screen.height) < PHONE;
}

// A phone is narrower than a card is wide: there it stands upright.
const upright = () => window.innerWidth < PHONE;

// In CSS pixels, of its longer side; null before it was held to the screen.
let cardWidth = null;

function measure() {
  const ratio = window.devicePixelRatio;
  const below = document.querySelector(".rehearsal .controls").getBoundingClientRect().height;
  const facts = {
    device_pixel_ratio: ratio,
    screen_width: window.screen.width,
    screen_height: window.screen.height,
    window_width: window.innerWidth,
    window_height: window.innerHeight,
    image_height: Math.max(window.innerHeight - below, 0),
    is_phone: Number(isPhone()),
    fills_screen: Number(fillsScreen()),
  };
  for (const [name, value] of Object.entries(facts)) form.elements[name].value = value;
  say(facts, ratio);
  drawCard();
}

// What is not met, of what can be told without the server.
function say(facts, ratio) {
  const [long, short] = [facts.screen_width, facts.screen_height].map((size) => size * ratio).sort((a, b) => b - a);
  const slack = Math.max(ratio, 1);
  const room = [facts.window_width * ratio + slack, facts.image_height * ratio + slack];
  const met = {
    screen: long + slack >= data.least[0] && short + slack >= data.least[1],
    phone: !facts.is_phone,
    full_screen: Boolean(facts.fills_screen),
    window: data.largest.every(([width, height]) => width <= room[0] && height <= room[1]),
  };
  let all = true;
  for (const item of document.querySelectorAll("[data-rule]")) {
    const isMet = met[item.dataset.rule];
    all &&= isMet;
    item.classList.toggle("met", isMet);
    item.querySelector("output").textContent = isMet ? gettext("yes") : gettext("no");
  }
  if (element("not-met")) element("not-met").hidden = all;
  const larger = data.rules.some((rule) => ["full_screen", "window"].includes(rule) && !met[rule]);
  if (element("full-screen")) element("full-screen").hidden = !(larger && document.fullscreenEnabled);
}

function drawCard() {
  if (!box) return;
  const [long, short] = data.card_mm;
  const most = upright() ? (window.innerWidth - 32) * (long / short) : window.innerWidth - 64;
  slider.max = Math.round(Math.min(most, data.card_css[1]));
  const width = Number(slider.value);
  box.style.inlineSize = `${upright() ? (width * short) / long : width}px`;
  box.style.blockSize = `${upright() ? width : (width * short) / long}px`;
  form.elements.card_css_width.value = cardWidth === null || element("no-card").checked ? "" : cardWidth;
  slider.disabled = element("no-card").checked;
  sayDistance();
}

// Of the largest image's height, in centimetres, once the size of a pixel is known.
function sayDistance() {
  const place = element("distance");
  if (!place) return;
  if (cardWidth === null || element("no-card").checked) return (place.textContent = "");
  const pixel = data.card_mm[0] / (cardWidth * window.devicePixelRatio);
  const height = Math.max(...data.largest.map(([, tall]) => tall)) * pixel;
  const text = gettext("Please sit %(distance)s cm from the screen, and keep that distance.");
  place.textContent = filled(text, { distance: Math.round((height * data.heights) / 10) });
}

slider?.addEventListener("input", () => {
  cardWidth = Number(slider.value);
  drawCard();
});
element("no-card")?.addEventListener("change", drawCard);
element("full-screen")?.addEventListener("click", fillScreen);
element("skip-colour")?.addEventListener("change", ({ target }) => {
  for (const input of document.querySelectorAll("[name^='plate_']")) input.disabled = target.checked;
});
form.addEventListener("submit", (event) => {
  measure();
  // Not passed over unseen: it is set, or said that there is none.
  if (box && cardWidth === null && !element("no-card").checked) {
    event.preventDefault();
    element("card-missing").hidden = false;
    slider.focus();
  }
});
watchDisplay(measure);
reloadWhenShownAgain();
measure();
element("go-on").disabled = false;
started();
