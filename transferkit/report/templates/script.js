// The page is whole without this: it only sorts and filters tables and names the matrix cell under the pointer.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = table.tHead.rows[0].cells;
  [...heads].forEach((head, column) => {
    const button = document.createElement("button");
    button.className = "sort";
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        const [m, n] = [parseFloat(x), parseFloat(y)];
        const order = isNaN(m) || isNaN(n) ? x.localeCompare(y) : m - n;
        return falling ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
for (const field of document.querySelectorAll("input[data-filters]")) {
  const rows = document.getElementById(field.dataset.filters).tBodies[0].rows;
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase();
    for (const row of rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
  });
  field.parentElement.hidden = false;
}
const facts = document.getElementById("matrix-facts");
if (facts) {
  const { classes, found } = JSON.parse(facts.textContent);
  const count = new Map(found.map(([t, p, n]) => [t * classes.length + p, n]));
  const readout = document.getElementById("matrix-readout");
  for (const picture of document.querySelectorAll("img.cells-picture")) {
    picture.addEventListener("pointermove", (event) => {
      const box = picture.getBoundingClientRect();
      const at = (share) => Math.min(classes.length - 1, Math.max(0, Math.floor(share * classes.length)));
      const p = at((event.clientX - box.left) / box.width);
      const t = at((event.clientY - box.top) / box.height);
      const n = count.get(t * classes.length + p) ?? 0;
      readout.textContent = `${n} of ${classes[t]} ${t === p ? "answered right" : `predicted as ${classes[p]}`}`;
      picture.title = readout.textContent;
    });
  }
}
for (const map of document.querySelectorAll("figure.map")) {
  const across = Number(map.dataset.across), side = 2 * Number(map.dataset.tile);
  const shown = map.querySelector(".shown"), tile = map.querySelector(".tile");
  map.querySelector("svg").addEventListener("pointerover", (event) => {
    const point = event.target.closest("[data-t]");
    shown.hidden = !point;
    if (!point) return;
    const number = Number(point.dataset.t);
    if (tile) {
      tile.hidden = number < 0;
      tile.style.width = tile.style.height = `${side}px`;
      Object.assign(tile.firstElementChild.style, {
        width: `${side * across}px`,
        transform: `translate(${-(number % across) * side}px, ${-Math.floor(number / across) * side}px)`,
      });
    }
    map.querySelector(".text").textContent = point.querySelector("title").textContent;
  });
}
// On narrow screens each row of these tables stands as a list, which needs the column's name beside each cell.
for (const table of document.querySelectorAll("table.list")) {
  const names = [...table.tHead.rows[0].cells].map((head) => head.textContent.trim());
  for (const row of table.querySelectorAll("tbody tr")) {
    [...row.cells].forEach((cell, column) => { if (column && cell.textContent.trim()) cell.dataset.label = names[column]; });
  }
  table.classList.add("labelled");
}
