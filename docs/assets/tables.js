// Each cell knows its column's heading, which site.css shows where a table is read from top to bottom.
for (const table of document.querySelectorAll(".md-typeset table")) {
  const headings = [...table.querySelectorAll("thead th")].map((one) => one.textContent);
  for (const row of table.querySelectorAll("tbody tr")) {
    [...row.cells].forEach((cell, number) => cell.setAttribute("data-heading", headings[number] ?? ""));
  }
}
