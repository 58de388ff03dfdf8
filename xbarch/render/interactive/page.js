"use strict";
const page = (() => {
  // -- tables: sort by a click on a head, filter by words ("head: words" looks at one column)
  const value = (cell) => cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  const ordered = (a, b) => {  // numbers before words
    if (typeof a === "number" && typeof b === "number") return a - b;
    if (typeof a === typeof b) return String(a).localeCompare(String(b), "en", {numeric: true});
    return typeof a === "number" ? -1 : 1;
  };
  const turn = (heads, head) => {  // true: upwards
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    return up;
  };
  for (const table of document.querySelectorAll("table[id]")) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0], first = [...body.rows];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const sign = turn(heads, head) ? 1 : -1;
      body.append(...[...first].sort((a, b) => sign * ordered(value(a.cells[column]), value(b.cells[column]))));
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
  const chosen = (row, choose) => {  // by pointer or keyboard
    row.addEventListener("click", choose);
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        choose();
      }
    });
  };
  for (const row of document.querySelectorAll("tr[data-key]")) chosen(row, () => pick(row.dataset.key));
  if (status) status.querySelector("button").addEventListener("click", () => pick(picked));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && picked) pick(picked); });

  // -- charts
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const look = (wide, letters) => {
    const most = Math.min(300, 0.42 * wide), room = wide - most;  // a legend begins where the names of rows end
    const columns = Math.max(1, Math.floor(room / (6.5 * letters + 40)));
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
    return {background: "transparent", view: {stroke: "transparent"}, font: "system-ui, sans-serif",
      axis: {labelColor: of("--ink"), titleColor: of("--ink"), gridColor: of("--line"), domainColor: of("--dim"),
        tickColor: of("--dim"), titleFontWeight: "normal", labelLimit: most, labelOverlap: true},
      legend: {labelColor: of("--ink"), titleColor: of("--ink"), orient: "top",
        labelLimit: room / columns - 25, columns},
      title: {color: of("--ink")}, text: {color: of("--ink")}};
  };
  const themed = (spec) => {  // black is the only colour that does not show on a dark page
    const seen = JSON.stringify(spec);
    return JSON.parse(dark.matches ? seen.replaceAll('"#000000"', '"#ffffff"') : seen);
  };
  const embed = (place, spec) => vegaEmbed(place, themed(spec), {
    config: look(place.clientWidth, (spec.usermeta || {letters: 0}).letters), actions: false, renderer: "svg",
    tooltip: {theme: dark.matches ? "dark" : "light"}});
  const charts = JSON.parse(document.getElementById("charts").textContent), others = [];
  const draw = async () => {
    for (const view of views.splice(0)) view.finalize();
    for (const chart of charts) {
      const made = await embed(document.getElementById(chart.id), chart.spec);
      made.view.addEventListener("click", (event, item) => {
        if (item && item.datum && item.datum.key) pick(item.datum.key);
      });
      made.view.signal("picked", picked);
      views.push(made.view);
    }
    for (const other of others) await other();
    document.documentElement.dataset.ready = "yes";
  };
  if (typeof vegaEmbed === "undefined") {
    for (const place of document.querySelectorAll(".chart"))
      place.textContent = "This page was written without the library that draws its charts; see its tables.";
  } else {
    dark.addEventListener("change", draw);
    queueMicrotask(draw);  // after the scripts behind this one
  }
  return {ordered, turn, chosen, embed, others};
})();
