// Keeps the live page current: asks again every ten seconds while the page can be seen.
const box = document.querySelector("[data-live]");

async function refresh() {
  if (!document.hidden) {
    try {
      const answer = await fetch(box.dataset.url);
      if (answer.redirected) return location.reload(); // logged out meanwhile
      if (answer.ok) box.innerHTML = await answer.text();
    } catch { /* the next round tries again */ }
  }
  setTimeout(refresh, 10_000);
}

setTimeout(refresh, 10_000);
