(() => {
  // -- what is shown: points that pass the filters, the front of these, and one that was chosen
  const data = JSON.parse(document.getElementById("points").textContent);
  const root = document.querySelector(".explorer"), form = root.querySelector("form");
  const panel = root.querySelector(".point"), told = root.querySelector("output.shown");
  const table = root.querySelector("table"), plot = root.querySelector(".chart");
  const MOST = 200;  // rows of the table; filters lead to the others
  const amounts = data.amounts, names = amounts.map((amount) => amount.name);
  const points = data.points.map(([values, figures, exact, said, command, counts], number) =>
    ({number, values, figures, exact, counts, said: data.said[said], command: command.map((at) => data.words[at]).join(" ")}));
  let chosen = null, view = null, sorted = null, up = true;

  const PREFIXES = [[1e18, "J"], [1e15, "mJ"], [1e12, "µJ"], [1e9, "nJ"], [1e6, "pJ"], [1e3, "fJ"], [1, "aJ"]];
  const TIMES = [[1e12, "s"], [1e9, "ms"], [1e6, "µs"], [1e3, "ns"], [1, "ps"]];
  const scaled = (number, units) => {
    const [size, unit] = units.find(([least]) => Math.abs(number) >= least) || units[units.length - 1];
    return `${Number((number / size).toPrecision(4)).toLocaleString("en")} ${unit}`;
  };
  const text = (number, kind) => {
    if (number === null || number === undefined) return "–";
    if (kind === "energy") return scaled(number, PREFIXES);
    if (kind === "time") return scaled(number, TIMES);
    if (kind === "share") return `${(100 * number).toFixed(2)} %`;
    return Number.isInteger(number) ? number.toLocaleString("en") : Number(number.toPrecision(4)).toLocaleString("en");
  };

  // -- controls
  const element = (name, content, attributes = {}) => {
    const made = document.createElement(name);
    made.textContent = content;
    for (const [key, given] of Object.entries(attributes)) made.setAttribute(key, given);
    return made;
  };
  const control = (title, made, name) => {
    made.name = name;
    const label = element("label", title);
    label.append(made);
    form.append(label);
    return made;
  };
  const select = (title, name, choices, first) => {
    const made = element("select", "");
    for (const [given, shown] of choices) made.append(element("option", shown, {value: given}));
    if (first !== undefined) made.value = first;
    return control(title, made, name);
  };
  const check = (title, name) => control(title, element("input", "", {type: "checkbox"}), name);
  const scopes = [...new Set(amounts.map((amount) => amount.scope).filter(Boolean))];
  const plain = amounts.filter((amount) => !amount.scope).map((amount) => [amount.name, amount.title]);
  const axes = [...(scopes.length ? [["energy", "energy per image"]] : []), ...plain];
  const first = {x: axes[0][0], y: axes[Math.min(1, axes.length - 1)][0]};
  const by = {};
  if (scopes.length)
    by.scope = select("scope of energy", "scope", scopes.map((scope) => [scope, scope]), data.scope);
  by.x = select("across", "x", axes, first.x);
  by.y = select("up", "y", axes, first.y);
  by.log = check("logarithmic", "log");
  by.colour = select("colour", "colour", [["front", "on the front"], ["exact", "exact"],
    ...data.fields.map((field, place) => [`field${place}`, field])]);
  by.exact = select("converters", "exact", [["", "all"], ["yes", "exact"], ["no", "not exact"],
    ["unknown", "not known"]]);
  const accuracy = amounts.findIndex((amount) => amount.name === "accuracy.on_this_machine.value");
  if (points.some((point) => accuracy >= 0 && typeof point.figures[accuracy] === "number"))
    by.accuracy = control(`accuracy at ${amounts[accuracy].better === "less" ? "most" : "least"}` +
      (amounts[accuracy].kind === "share" ? ", %" : ""),
      element("input", "", {type: "number", step: "any"}), "accuracy");
  by.fields = data.fields.map((field, place) => select(field, `field${place}`, [["", "all"],
    ...[...new Set(points.map((point) => String(point.values[place])))]
      .sort((a, b) => a.localeCompare(b, "en", {numeric: true})).map((each) => [each, each])]));
  by.front = check("only the front", "only");
  form.append(element("button", "reset", {type: "reset"}));

  const column = (name) => names.indexOf(name === "energy" ? energy() : name);
  const energy = () => amounts.find((amount) => amount.scope === by.scope.value).name;
  const amount = (name) => amounts[column(name)];
  const title = (name) => amount(name).title;

  const wide = () => {  // whether the points lie so far apart that a linear axis would hide most
    const found = points.map((point) => point.figures[column(by.x.value)]).filter((each) => each > 0);
    return found.length > 1 && Math.max(...found) > 20 * Math.min(...found);
  };
  by.log.checked = wide();

  // -- filters and the front
  const passes = (point) => {
    const exact = point.exact === null ? "unknown" : point.exact ? "yes" : "no";
    if (by.exact.value && by.exact.value !== exact) return false;
    if (by.accuracy && by.accuracy.value !== "") {
      const {better, kind} = amounts[accuracy], found = point.figures[accuracy];
      const limit = Number(by.accuracy.value) / (kind === "share" ? 100 : 1);
      if (found === null || (better === "less" ? found > limit : found < limit)) return false;
    }
    return by.fields.every((field, place) => !field.value || String(point.values[place]) === field.value);
  };
  const fronted = (some) => {  // as xbarch's: of equal points the first; less is better
    const columns = data.objectives.map(column), best = [], found = new Set();
    const ranked = some.filter((point) => point.counts)
      .map((point) => [point, columns.filter((at) => point.figures[at] !== null)
        .map((at) => (amounts[at].better === "more" ? -1 : 1) * point.figures[at])]);
    ranked.sort(([a, first], [b, second]) => {
      const at = first.findIndex((each, place) => each !== second[place]);
      return at < 0 ? a.number - b.number : first[at] - second[at];
    });
    for (const [point, each] of ranked)
      if (!best.some((other) => other.every((one, place) => one <= each[place]))) {
        best.push(each);
        found.add(point.number);
      }
    return found;
  };

  // -- chart, table, and the point that was chosen
  const UNITS = {energy: [1e12, "µJ"], time: [1e9, "ms"], share: [0.01, "%"], number: [1, ""]};
  const axis = (name, found) => {
    const [, unit] = UNITS[amount(name).kind], least = Math.min(...found);
    const far = least >= 0 && 2 * least < Math.max(...found);
    return {type: "quantitative", title: unit ? `${title(name)} (${unit})` : title(name),
      scale: by.log.checked ? {type: "log", nice: false, padding: 10} : far ? {zero: true} : {zero: false, padding: 10}};
  };
  const shade = (point, front) => {
    if (by.colour.value === "front") return front.has(point.number) ? "on the front" : "others";
    if (by.colour.value === "exact") return point.exact === null ? "not known" : point.exact ? "exact" : "not exact";
    return String(point.values[Number(by.colour.value.slice(5))]);
  };
  const marks = (some, front) => [...some].sort((a, b) => front.has(a.number) - front.has(b.number)).map((point) => ({
    number: point.number, front: front.has(point.number), shade: shade(point, front), chosen: point === chosen,
    x: point.figures[column(by.x.value)] / UNITS[amount(by.x.value).kind][0],
    y: point.figures[column(by.y.value)] / UNITS[amount(by.y.value).kind][0],
    told: {...Object.fromEntries(data.fields.map((field, place) => [field, point.values[place]])),
      [title(by.x.value)]: text(point.figures[column(by.x.value)], amount(by.x.value).kind),
      [title(by.y.value)]: text(point.figures[column(by.y.value)], amount(by.y.value).kind), converters: point.said}}));
  const spec = (values) => ({
    $schema: data.schema, data: {values}, usermeta: {letters: Math.max(0, ...values.map((each) => each.shade.length))},
    width: "container", height: 380, autosize: {type: "fit-x", contains: "padding"},
    params: [{name: "zoom", select: {type: "interval", zoom: "wheel![event.ctrlKey]"}, bind: "scales"}],
    mark: {type: "point", filled: true, cursor: "pointer", clip: true},
    encoding: {
      x: {field: "x", ...axis(by.x.value, values.map((each) => each.x))},
      y: {field: "y", ...axis(by.y.value, values.map((each) => each.y))},
      color: {field: "shade", type: "nominal", title: null,
        scale: {range: by.colour.value === "front" ? [data.palette[1], data.palette[0]] : data.palette,
          ...(by.colour.value === "front" ? {domain: ["on the front", "others"]} : {})}},
      size: {condition: [{test: "datum.chosen", value: 300}, {test: "datum.front", value: 110}], value: 40},
      opacity: {condition: {test: "datum.front || datum.chosen", value: 1}, value: 0.55},
      tooltip: {field: "told", type: "nominal"}}});
  const picture = async (some, front) => {
    if (typeof vegaEmbed === "undefined") return;
    if (view) view.finalize();
    view = null;
    const known = some.filter((point) => [by.x, by.y].every((each) => point.figures[column(each.value)] !== null));
    plot.textContent = known.length ? "" : "No point passes these filters.";
    if (!known.length) return;
    view = (await page.embed(plot, spec(marks(known, front)))).view;
    view.addEventListener("click", (event, item) => {
      if (item && item.datum && item.datum.number !== undefined) choose(points[item.datum.number]);
    });
  };
  const heads = ["front", ...data.fields, ...amounts.map((each) => each.title), "converters"];
  const worded = (place) => place <= data.fields.length || place === heads.length - 1 ? {class: "w"} : {};
  const cells = (point, front) => [front.has(point.number) ? "yes" : "", ...point.values.map(String),
    ...point.figures.map((figure, place) => text(figure, amounts[place].kind)), point.said];
  const sizes = (point, front) => [front.has(point.number) ? 0 : 1, ...point.values,
    ...point.figures.map((figure) => figure === null ? "–" : figure), point.said];
  const list = (some, front) => {
    const at = sorted === null ? 0 : sorted;
    const rows = [...some].sort((a, b) => (up ? 1 : -1) * page.ordered(sizes(a, front)[at], sizes(b, front)[at]));
    table.tBodies[0].replaceChildren(...rows.slice(0, MOST).map((point) => {
      const row = element("tr", "", {tabindex: "0", "data-point": point.number});
      row.classList.toggle("picked", point === chosen);
      cells(point, front).forEach((cell, place) => row.append(element("td", cell, worded(place))));
      page.chosen(row, () => choose(point));
      return row;
    }));
    told.textContent = `${some.length.toLocaleString("en")} of ${points.length.toLocaleString("en")} points, ` +
      `${front.size.toLocaleString("en")} on their front` +
      (rows.length > MOST ? `; the table has the first ${MOST}` : "");
  };
  const show = () => {
    const passed = points.filter(passes), front = fronted(passed);
    const some = by.front.checked ? passed.filter((point) => front.has(point.number)) : passed;
    list(some, front);
    return picture(some, front);
  };
  const choose = (point) => {
    chosen = point === chosen ? null : point;
    panel.replaceChildren();
    if (chosen) {
      const line = element("code", chosen.command), copy = element("button", "copy", {type: "button"});
      copy.addEventListener("click", () => navigator.clipboard.writeText(chosen.command)
        .then(() => { copy.textContent = "copied"; }, () => { getSelection().selectAllChildren(line); }));
      panel.append(element("p", data.fields.map((field, place) => `${field} ${chosen.values[place]}`).join(", ")),
        line, copy);
    }
    show();
  };
  const top = element("tr", "");
  heads.forEach((head, place) => {
    const cell = element("th", "", {scope: "col", ...worded(place)});
    const button = element("button", "", {type: "button"});
    for (const word of head.split(/(?<=\.)/)) button.append(word, document.createElement("wbr"));
    button.addEventListener("click", () => {
      up = page.turn([...top.cells], cell);
      sorted = place;
      show();
    });
    cell.append(button);
    top.append(cell);
  });
  table.append(element("thead", ""), element("tbody", ""));
  table.tHead.append(top);
  form.addEventListener("input", show);
  form.addEventListener("reset", () => setTimeout(() => {  // when the form has been reset
    if (by.scope) by.scope.value = data.scope;
    by.x.value = first.x;
    by.y.value = first.y;
    by.log.checked = wide();
    show();
  }));
  form.addEventListener("submit", (event) => event.preventDefault());
  page.others.push(show);
  if (typeof vegaEmbed === "undefined") show();
})();
