// The frame of a region on its image: dragged, put where a click is, or moved by its numbers.

for (const map of document.querySelectorAll("[data-region]")) follow(map);

function follow(map) {
  const rect = map.querySelector("rect");
  const { width: wide, height: high } = rect.ownerSVGElement.viewBox.baseVal;
  const size = [Number(map.dataset.width), Number(map.dataset.height)];
  const room = [wide - size[0], high - size[1]];
  const inputs = [...map.closest("section").querySelectorAll("input")];
  let grip = null; // where in the frame it is held, in pixels of the image

  const at = (event) => {
    const box = map.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * wide, ((event.clientY - box.top) / box.height) * high];
  };
  const placed = () => inputs.every((input) => input.value !== "" && input.checkValidity());

  function draw() {
    rect.setAttribute("visibility", placed() ? "visible" : "hidden");
    if (!placed()) return;
    rect.setAttribute("x", inputs[0].value);
    rect.setAttribute("y", inputs[1].value);
  }

  function move([x, y]) {
    [x - grip[0], y - grip[1]].forEach((place, axis) => {
      inputs[axis].value = Math.round(Math.min(Math.max(place, 0), room[axis]));
    });
    draw();
  }

  map.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const point = at(event);
    const corner = inputs.map((input) => Number(input.value));
    const isInside = placed() && point.every((value, axis) => value >= corner[axis] && value <= corner[axis] + size[axis]);
    grip = isInside ? point.map((value, axis) => value - corner[axis]) : size.map((length) => length / 2);
    map.setPointerCapture(event.pointerId);
    move(point);
    event.preventDefault();
  });
  map.addEventListener("pointermove", (event) => grip && move(at(event)));
  for (const end of ["pointerup", "pointercancel"]) map.addEventListener(end, () => (grip = null));
  for (const input of inputs) input.addEventListener("input", draw);
  draw();
}
