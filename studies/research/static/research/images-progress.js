// Keeps the table of a study's images current while they are made.
(() => {
  const box = document.getElementById("images");
  const pending = () => box.querySelector("[data-pending]") !== null;
  async function refresh() {
    try {
      const answer = await fetch(box.dataset.url);
      if (answer.ok && !answer.redirected) box.innerHTML = await answer.text();
    } catch { /* the next round tries again */ }
    if (pending()) setTimeout(refresh, 2000);
  }
  if (pending()) setTimeout(refresh, 2000);
})();
