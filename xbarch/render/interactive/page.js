"use strict";
(() => {
  // -- tables: sort by a click on a head, filter by words ("head: words" looks at one column)
  const value = (cell) => cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  const ordered = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
    : String(a).localeCompare(String(b), "en", {numeric: true});
  for (const table of document.querySelectorAll("table")) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0], first = [...body.rows];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending" || !head.hasAttribute("aria-sort");
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...first].sort((a, b) => (up ? 1 : -1) * ordered(value(a.cells[column]), value(b.cells[column])));
      body.append(...rows);
    }));
  }
  for (const input of document.querySelectorAll("input[data-table]")) {
    const table = document.getElementById(input.dataset.table), rows = [...table.tBodies[0].rows];
    const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent.trim().toLowerCase());
    const shown = input.closest(".tools").querySelector("output");
    const filter = () => {
      const text = input.value.trim().toLowerCase(), at = text.indexOf(":");
      const column = at > 0 ? heads.indexOf(text.slice(0, at).trim()) : -1;
      const words = (column < 0 ? text : text.slice(at + 1)).split(/\s+/).filter(Boolean);
      let count = 0;
      for (const row of rows) {
        const within = (column < 0 ? row : row.cells[column]).textContent.toLowerCase();
        row.hidden = !words.every((word) => within.includes(word));
        count += !row.hidden;
      }
      shown.textContent = `${count} of ${rows.length} rows`;
    };
    input.addEventListener("input", filter);
    filter();
  }

  // -- picking: what is picked in a chart or a table is marked in all of them
  const views = [], status = document.querySelector("p.picked");
  let picked = "";
  const pick = (key) => {
    picked = key === picked ? "" : key;
    for (const view of views) view.signal("picked", picked).runAsync();
    for (const row of document.querySelectorAll("tr[data-key]"))
      row.classList.toggle("picked", row.dataset.key === picked);
    if (status) {
      status.hidden = !picked;
      status.querySelector("span").textContent = picked;
    }
  };
  for (const row of document.querySelectorAll("tr[data-key]")) {
    row.addEventListener("click", () => pick(row.dataset.key));
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        pick(row.dataset.key);
      }
    });
  }
  if (status) status.querySelector("button").addEventListener("click", () => pick(picked));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && picked) pick(picked); });

  // -- charts
  const charts = JSON.parse(document.getElementById("charts").textContent);
  if (typeof vegaEmbed === "undefined") {
    for (const place of document.querySelectorAll(".chart"))
      place.textContent = "This page was written without the library that draws its charts; see its tables.";
    return;
  }
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const look = () => {
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
    return {background: "transparent", view: {stroke: "transparent"}, font: "system-ui, sans-serif",
      axis: {labelColor: of("--ink"), titleColor: of("--ink"), gridColor: of("--line"), domainColor: of("--dim"),
        tickColor: of("--dim"), titleFontWeight: "normal", labelLimit: 160},
      legend: {labelColor: of("--ink"), titleColor: of("--ink"), orient: "top"}, title: {color: of("--ink")},
      text: {color: of("--ink")}};
  };
  const draw = async () => {
    for (const view of views.splice(0)) view.finalize();
    const seen = JSON.stringify(charts);  // black is the only colour that does not show on a dark page
    for (const chart of JSON.parse(dark.matches ? seen.replaceAll('"#000000"', '"#ffffff"') : seen)) {
      const place = document.getElementById(chart.id);
      const made = await vegaEmbed(place, {...chart.spec, config: look()}, {actions: false, renderer: "svg"});
      made.view.addEventListener("click", (event, item) => {
        if (item && item.datum && item.datum.key) pick(item.datum.key);
      });
      made.view.signal("picked", picked);
      views.push(made.view);
    }
    document.documentElement.dataset.ready = "yes";
  };
  dark.addEventListener("change", draw);
  draw();
})();
