// Copies the list of links.

document.getElementById("copy").addEventListener("click", async () => {
  const all = document.getElementById("all");
  try {
    await navigator.clipboard.writeText(all.value);
  } catch {
    // Without TLS, as with make run, browsers offer only this.
    all.select();
    document.execCommand("copy");
  }
  document.getElementById("copied").textContent = "Copied";
});
