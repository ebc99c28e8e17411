// Of many methods shows those that are looked for; what is chosen stays chosen, shown or not.
const table = document.querySelector("table.cells");
if (table) {
  const [having, chosen, count] = ["having", "chosen", "count"].map(id => document.getElementById(id));
  const rows = [...table.tBodies[0].rows];
  const boxes = row => [...row.querySelectorAll("input")];
  function show() {
    const word = having.value.trim().toLowerCase();
    for (const row of rows) {
      const fits = row.cells[0].textContent.toLowerCase().includes(word);
      row.hidden = !fits || (chosen.checked && !boxes(row).some(box => box.checked));
    }
    tell();
  }
  function tell() {
    const all = rows.flatMap(boxes).filter(box => box.checked).length;
    const unseen = rows.filter(row => row.hidden).flatMap(boxes).filter(box => box.checked).length;
    count.textContent = `${all} chosen${unseen ? `, ${unseen} of them not shown` : ""}`;
  }
  for (const button of table.querySelectorAll("[data-column]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const cells = rows.filter(row => !row.hidden).map(row => row.cells[button.dataset.column]);
      const column = cells.map(cell => cell.querySelector("input")).filter(Boolean);
      const on = !column.every(box => box.checked);
      for (const box of column) box.checked = on;
      tell();
    });
  }
  having.addEventListener("input", show);
  chosen.addEventListener("change", show);
  table.addEventListener("change", tell);
  document.getElementById("choosing").hidden = false;
  show();
}
// A browser cannot point at what is wrong in a closed section.
document.addEventListener("invalid", event => event.target.closest("details")?.setAttribute("open", ""), true);
