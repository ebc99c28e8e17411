// Keeps what workers are at current: every part of the page that says where it comes from, while something is pending.
// What else of a page follows from it (data-reload) is there once nothing is: the page is loaded again, unless somebody
// has begun to write on it, and then it says so.
function written() {
  return [...document.querySelectorAll("main input, main textarea, main select")].some(field => {
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.type === "file") return field.files.length > 0;
    if (field.tagName === "SELECT") return false; // chosen again in a moment
    return field.type !== "range" && field.value !== field.defaultValue;
  });
}

for (const box of document.querySelectorAll("[data-url]")) {
  // The part of a page that has no address of its own is taken out of the page.
  const part = html => box.dataset.url ? html : new DOMParser().parseFromString(html, "text/html").getElementById(box.id).innerHTML;
  const pending = () => box.querySelector("[data-pending]") !== null;
  async function refresh() {
    try {
      const answer = await fetch(box.dataset.url || location.href);
      if (answer.ok && !answer.redirected) box.innerHTML = part(await answer.text());
    } catch { /* the next round tries again */ }
    if (pending()) setTimeout(refresh, 2000);
    else if ("reload" in box.dataset) {
      if (!written()) return location.reload();
      box.insertAdjacentHTML("beforeend", '<p class="message" role="status">It is there now. <a href="">Load the page again</a>, once what you write is saved.</p>');
    }
  }
  if (pending()) setTimeout(refresh, 2000);
}
