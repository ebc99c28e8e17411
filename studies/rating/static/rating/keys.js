// The ways to give a score: its button, or the button's key on the main row or the number pad. One press, one score.

export function onScore(buttons, give) {
  const held = new Set();
  const keyed = [...buttons].filter((button) => button.dataset.key);
  const byKey = new Map(keyed.map((button) => [button.dataset.key, Number(button.dataset.score)]));
  const byCode = new Map([...byKey].flatMap(([key, score]) => [[`Digit${key}`, score], [`Numpad${key}`, score]]));

  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const fresh = !event.repeat && !held.has(event.code);
    held.add(event.code);
    // A button in focus would be pressed again and again by a held Enter.
    if (!fresh && (event.key === "Enter" || event.key === " ")) event.preventDefault();
    const score = byCode.get(event.code) ?? byKey.get(event.key) ?? null;
    if (score === null) return;
    event.preventDefault();
    if (fresh) give(score);
  });
  window.addEventListener("keyup", (event) => {
    held.delete(event.code);
    // While Command is down, a Mac does not report the release of other keys.
    if (event.key === "Meta") held.clear();
  });
  // The release of a key is not seen from another window; a key held since then repeats, and repeats do not count.
  window.addEventListener("blur", () => held.clear());

  for (const button of buttons) {
    button.addEventListener("click", (event) => {
      // The second click of a double click is meant for the image that is gone.
      if (event.detail <= 1) give(Number(button.dataset.score));
    });
  }
}
