// Long tables: a box that filters rows, and heads that sort them by number or text. Works by keyboard.
"use strict";
const LONG = 12; // rows
const SCALE = { p: 1e-12, n: 1e-9, "µ": 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9 };
const AMOUNT = /([-−]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?)\s*(?:([pnµmkMG])(?=(?:s|J|W|B|Hz)\b))?/;

function amount(text) {
  const found = AMOUNT.exec(text);
  return found ? Number(found[1].replaceAll(",", "").replace("−", "-")) * (SCALE[found[2]] ?? 1) : null;
}

function sort(table, column, falling) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, text: row.cells[column]?.textContent.trim() ?? "" }));
  const numeric = table.tHead.rows[0].cells[column].dataset.numeric === "yes";
  const order = (a, b) => {
    const [x, y] = [amount(a.text), amount(b.text)];
    if (!numeric) return a.text.localeCompare(b.text) * (falling ? -1 : 1);
    if (x === null || y === null) return (x === null) - (y === null); // without a number: at the end
    return falling ? y - x : x - y;
  };
  body.append(...rows.sort(order).map((each) => each.row));
}

function sortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const texts = [...table.tBodies[0].rows].map((row) => row.cells[column]?.textContent ?? "");
    const numbers = texts.filter((text) => /^\W*(beyond )?[-−]?\d/.test(text)).length;
    head.dataset.numeric = numbers * 2 > texts.length ? "yes" : "";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      sort(table, column, falling);
    });
    head.append(button);
  });
}

function filtered(table) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  const count = document.createElement("output");
  box.type = "search";
  label.className = "filter";
  label.append("Filter ", box, count);
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      shown += !row.hidden;
    }
    count.value = box.value ? ` ${shown} of ${table.tBodies[0].rows.length} rows` : "";
  });
  (table.closest(".table-wrapper") ?? table).before(label);
}

document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("article table")) {
    if (!table.tHead || !table.tBodies.length || table.tBodies[0].rows.length < LONG) continue;
    sortable(table);
    filtered(table);
  }
});
