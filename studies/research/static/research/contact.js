// The contact sheet: each image at one image pixel on one screen pixel, and two of them under a slider.
function fit() {
  for (const image of document.querySelectorAll("img.pixels")) {
    if (!image.naturalWidth) continue;
    image.style.width = `${image.naturalWidth / devicePixelRatio}px`;
    image.style.height = `${image.naturalHeight / devicePixelRatio}px`;
  }
}
for (const image of document.querySelectorAll("img.pixels")) image.addEventListener("load", fit);
addEventListener("resize", fit); // another zoom, another screen
fit();

const compare = document.getElementById("compare");
if (compare) {
  const slider = compare.querySelector("input");
  const image = side => compare.querySelector(`img[data-side=${side}]`);
  const cut = () => { image("left").style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`; };
  for (const chosen of compare.querySelectorAll("select")) {
    const show = () => {
      const shown = image(chosen.dataset.side);
      shown.src = chosen.value;
      shown.alt = `${chosen.dataset.side}: ${chosen.selectedOptions[0].text}`;
    };
    chosen.addEventListener("change", show);
    show();
  }
  slider.addEventListener("input", cut);
  cut();
  compare.hidden = false;
}
