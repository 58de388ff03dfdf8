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
  const room = (wide, {letters = 0, rows = 0} = {}) => {  // pixels of the names of rows, and letters beside them
    const most = wide < 500 ? 0.5 * wide : Math.min(300, 0.42 * wide);
    const beside = wide - (rows ? Math.min(most, 5.8 * rows + 12) : 60);
    return {most, beside, columns: Math.max(1, Math.floor(beside / (6 * letters + 32)))};
  };
  const look = (wide, meta) => {
    const {most, beside, columns} = room(wide, meta);
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
    return {background: "transparent", view: {stroke: "transparent"}, font: "system-ui, sans-serif",
      axis: {labelColor: of("--ink"), titleColor: of("--ink"), gridColor: of("--line"), domainColor: of("--dim"),
        tickColor: of("--dim"), titleFontWeight: "normal", labelLimit: most, labelOverlap: true, labelSeparation: 5},
      legend: {labelColor: of("--ink"), titleColor: of("--ink"), orient: "top",
        labelLimit: beside / columns - 25, columns},
      title: {color: of("--ink")}, text: {color: of("--ink")}};
  };
  const folded = (title, letters) => title.split(" ").reduce((lines, word) => {
    const last = lines.pop(), longer = last === undefined ? word : `${last} ${word}`;
    return longer.length > letters && last !== undefined ? [...lines, last, word] : [...lines, longer];
  }, []);
  const fitted = (spec, wide) => {  // titles in lines as wide as their axis; black does not show on a dark page
    const letters = Math.floor(room(wide, spec.usermeta).beside / 5.8);
    const seen = JSON.stringify(spec, (key, value) => key === "x" && value && typeof value.title === "string" ?
      {...value, title: folded(value.title, letters)} : value);
    return JSON.parse(dark.matches ? seen.replaceAll('"#000000"', '"#ffffff"') : seen);
  };
  const embed = (place, spec) => vegaEmbed(place, fitted(spec, place.clientWidth), {
    config: look(place.clientWidth, spec.usermeta), actions: false, renderer: "svg",
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
      place.textContent = "This page was written without the library that draws its charts, which `pip install .` " +
        "brings; see its tables.";
  } else {
    dark.addEventListener("change", draw);
    queueMicrotask(draw);  // after the scripts behind this one
  }
  return {ordered, turn, chosen, embed, others};
})();
