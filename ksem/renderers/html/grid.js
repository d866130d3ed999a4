/* ------------------------------------------------------------------ the grid: areas, cases, rows; built as they come in sight */

const boxes = [];
let current = null;
const sight = new IntersectionObserver(entries => {
  for (const entry of entries) if (entry.isIntersecting) fill(Number(entry.target.dataset.section));
}, {rootMargin: "900px"});

function buildGrid() {
  const areas = new Map();
  SECTIONS.forEach((section, number) => areas.set(section.area, [...(areas.get(section.area) || []), number]));
  $("body").replaceChildren(...[...areas].map(([area, numbers]) => make("section", {class: "area", "data-area": area},
    make("div", {role: "rowgroup"}, make("div", {role: "row", class: "row"},
      make("h2", {role: "rowheader", "aria-level": 1}, area || "cases", make("small")))),
    ...numbers.map(number => {
      boxes[number] = make("div", {role: "rowgroup", class: "case", "data-section": number});
      return boxes[number];
    }))));
}

/* Neighbours that agree on something, as [what, how many]. */
function runs(columns, key) {
  const found = [];
  for (const column of columns) {
    if (found.length && found.at(-1)[0] === key(COLUMNS[column])) found.at(-1)[1] += 1;
    else found.push([key(COLUMNS[column]), 1]);
  }
  return found;
}

function spanning(columns, key, name, text) {
  return make("div", {role: "row", class: "row"}, make("div", {role: "columnheader", class: "name"}), ...runs(columns, key).map(([what, span]) => {
    const node = make("div", {role: "columnheader", class: name, "aria-colspan": span}, text(what));
    node.style.setProperty("--span", span);
    return node;
  }));
}

/* A column's name without what stands above it. */
const short = ({name, series, backend}) => name.endsWith(`-${series}`) && name.split("-").length === 2 ? "" : name.replace(`-${backend}`, "");

/* The head: backends where there are several, series, columns. Returns the columns that begin a series. */
function buildHead() {
  const columns = shownColumns(), backends = new Set(columns.map(column => COLUMNS[column].backend));
  const series = column => `${column.backend} ${column.series}`;
  const first = new Set(columns.filter((column, index) => !index || series(COLUMNS[column]) !== series(COLUMNS[columns[index - 1]])));
  $("head").replaceChildren(
    ...backends.size > 1 ? [spanning(columns, column => column.backend, "backend", name => name || "\u2013")] : [],
    spanning(columns, series, "series", name => name.split(" ")[1] || "\u2013"),
    make("div", {role: "row", class: "row"}, make("div", {role: "columnheader", class: "name"}, "case"),
      ...columns.map(column => make("div", {role: "columnheader", class: first.has(column) ? "column first" : "column"},
        make("button", {type: "button", "data-column": column, title: `${COLUMNS[column].name} ${COLUMNS[column].about}`.trim()},
          make("b", {}, COLUMNS[column].release || "\u2013"), make("span", {}, short(COLUMNS[column])))))));
  $("grid").style.setProperty("--columns", columns.length || 1);
  $("grid").setAttribute("aria-colcount", columns.length + 1);
  return first;
}

/* Columns that begin a series, and those that begin another backend's. */
let firstOfSeries = new Set(), edges = new Set(), chosen = [];

/* What is chosen has changed: everything that is shown is decided anew, and built when it is in sight. */
function refresh() {
  const columns = shownColumns();
  firstOfSeries = buildHead();
  edges = new Set(columns.filter((column, index) => index && COLUMNS[column].backend !== COLUMNS[columns[index - 1]].backend));
  chosen = SECTIONS.map(section => chosenRows(section, columns));
  boxes.forEach((box, number) => {
    box.hidden = !chosen[number].length;
    empty(number);
  });
  for (const area of $("body").children) {
    const numbers = [...area.querySelectorAll(":scope > .case:not([hidden])")].map(box => Number(box.dataset.section));
    const differing = numbers.filter(number => chosen[number].some(row => differs(SECTIONS[number], row, columns))).length;
    area.hidden = !numbers.length;
    area.querySelector("small").textContent = `${count(numbers.length, "case")}, ${differing || "none"} with differences`;
  }
  const cases = chosen.filter(rows => rows.length).length, rows = chosen.reduce((sum, some) => sum + some.length, 0);
  $("count").textContent = `${count(cases, "case")}, ${count(rows, "row")}`;
  $("nothing").hidden = cases > 0;
  $("grid").hidden = cases === 0;
  if (current && !(chosen[current[0]] || []).length) current = null;
  fillInSight();
  remember();
}

/* What is in sight is there at once; the rest as it comes. */
function fillInSight() {
  const near = boxes.map((box, number) => [number, box.hidden ? null : box.getBoundingClientRect()])
    .filter(([, place]) => place && place.bottom > 0 && place.top < innerHeight);
  near.forEach(([number]) => fill(number));
}

const lines = number => {
  const section = SECTIONS[number], top = head(section);
  return top !== CASE ? [top] : state.open.has(section.name) ? [CASE, ...chosen[number]] : [CASE];
};

/* A case goes out of the document; its place is kept, so that the page is as long as it will be. */
function empty(number) {
  const box = boxes[number];
  box.replaceChildren();
  box.style.setProperty("--rows", lines(number).length - 1);
  box.classList.remove("built");
  sight.unobserve(box);
  if (!box.hidden) sight.observe(box);
}

function fill(number) {
  const box = boxes[number];
  if (box.classList.contains("built") || box.hidden) return;
  sight.unobserve(box);
  const columns = shownColumns();
  box.replaceChildren(...lines(number).map(row => buildRow(number, row, columns)));
  box.classList.add("built");
  if (!current) setCurrent([number, head(SECTIONS[number]), NAME]);
  else if (current[0] === number) setCurrent(current);
  if (state.cell && state.cell[0] === number) mark();
}

function buildRow(number, row, columns) {
  const section = SECTIONS[number], top = row === head(section), open = state.open.has(section.name);
  const node = make("div", {role: "row", class: top ? "row top" : "row set", "data-row": row, "aria-level": top ? 2 : 3,
                            "aria-expanded": row === CASE ? String(open) : null},
    top ? caseName(section, row) : setName(section, row));
  const many = differs(section, row, COLUMNS.map((_, column) => column));
  for (let index = 0, end; index < columns.length; index = end) {
    const same = cellOf(section, row, columns[index]);
    const backend = COLUMNS[columns[index]].backend;
    for (end = index + 1; end < columns.length && cellOf(section, row, columns[end]) === same
         && COLUMNS[columns[end]].backend === backend;) end += 1;
    for (let at = index; at < end; at += 1) {
      node.append(buildCell(section, row, columns[at], many, {start: at === index, end: at === end - 1, run: end - index}));
    }
  }
  return node;
}

function caseName(section, row) {
  const sets = section.rows.length, own = section.name.slice(section.area ? section.area.length + 1 : 0);
  return make("div", {role: "rowheader", class: "name", tabindex: -1, "data-column": NAME},
    make("span", {class: "title"}, make("code", {}, ...breakable(own)),
      row === CASE ? make("small", {class: "sets"}, `${sets} sets`) : null,
      section.documented ? make("small", {class: "drift", title: `The manual says otherwise: ${section.documented}`}, "\u2260 manual") : null),
    make("span", {class: "claim", title: section.claim}, section.claim));
}

const setName = (section, row) => make("div", {role: "rowheader", class: "name", tabindex: -1, "data-column": NAME, title: label(section, row)},
  ...values(section, row).map((value, index) => make("span", {class: "param"}, make("i", {}, `${section.params[index]}=`), String(value))));

function described(section, row, column) {
  const [verdict, kind, brief] = cellOf(section, row, column);
  const behaviour = kind === null || row === CASE ? "" : `, behaviour ${letter(kind)}`;
  return `${identity(section, row)} on ${COLUMNS[column].name}: ${WORDS[verdict]}${behaviour}${brief ? `, ${brief}` : ""}`;
}

function buildCell(section, row, column, many, {start, end, run}) {
  const [verdict, kind, brief] = cellOf(section, row, column);
  const sign = verdict === "conforms" && many ? letter(kind) : SIGNS[verdict];
  const names = ["cell", verdict, many && kind !== null ? `many k${Math.min(kind, 5)}` : "", start ? "start" : "", end ? "end" : "",
                 firstOfSeries.has(column) ? "first" : "", edges.has(column) ? "edge" : ""];
  const node = make("div", {role: "gridcell", class: names.filter(Boolean).join(" "), tabindex: -1, "data-column": column,
                            "aria-label": described(section, row, column), title: described(section, row, column)},
    make("b", {}, sign), start && brief ? make("span", {}, brief) : null);
  if (start && brief) node.style.setProperty("--run", run);
  return node;
}

/* ------------------------------------------------------------------ moving about */

const place = node => {
  const cell = node.closest("[data-column]"), row = node.closest("[data-row]"), box = node.closest("[data-section]");
  return cell && row && box ? [Number(box.dataset.section), Number(row.dataset.row), Number(cell.dataset.column)] : null;
};

const nodeAt = ([number, row, column]) =>
  boxes[number].querySelector(`:scope > [data-row="${row}"] > [data-column="${column}"]`);

/* One cell of the grid can be reached with Tab: the one that was last. */
function setCurrent(next) {
  const before = current && nodeAt(current), now = nodeAt(next);
  if (before) before.tabIndex = -1;
  current = next;
  if (now) now.tabIndex = 0;
}

function go(next) {
  fill(next[0]);
  setCurrent(next);
  const node = nodeAt(next);
  if (node) node.focus();
}

/* The line after or before one, over the cases that are shown; null at the ends. */
function neighbour(number, row, step) {
  const here = lines(number), index = here.indexOf(row) + step;
  if (here[index] !== undefined) return [number, here[index]];
  for (let other = number + step; other >= 0 && other < SECTIONS.length; other += step) {
    if (chosen[other].length) return [other, lines(other).at(step > 0 ? 0 : -1)];
  }
  return null;
}

function toggle(number, open = !state.open.has(SECTIONS[number].name)) {
  if (head(SECTIONS[number]) !== CASE) return;
  state.open[open ? "add" : "delete"](SECTIONS[number].name);
  const focused = boxes[number].contains(document.activeElement);
  if (!open && current && current[0] === number) current = [number, CASE, current[2]];
  empty(number);
  fill(number);
  if (focused) go(current);
}

function expandAll(open) {
  SECTIONS.forEach(section => state.open[open && head(section) === CASE ? "add" : "delete"](section.name));
  $("expand").textContent = open ? "Collapse all" : "Expand all";
  $("expand").setAttribute("aria-expanded", String(open));
  if (!open && current) current = [current[0], head(SECTIONS[current[0]]), current[2]];
  boxes.forEach((_, number) => empty(number));
  fillInSight();
}

function moved(key, [number, row, column], columns) {
  const order = [NAME, ...columns], at = order.indexOf(column);
  if (key === "ArrowUp" || key === "ArrowDown") {
    const line = neighbour(number, row, key === "ArrowDown" ? 1 : -1);
    return line && [...line, column];
  }
  if (key === "Home") return [number, row, NAME];
  if (key === "End") return [number, row, order.at(-1)];
  const next = order[at + (key === "ArrowRight" ? 1 : -1)];
  return next === undefined ? null : [number, row, next];
}

function onGridKey(event) {
  const here = place(event.target);
  if (!here || event.altKey || event.ctrlKey || event.metaKey) return;
  const [number, row, column] = here, folded = row === CASE && column === NAME, open = state.open.has(SECTIONS[number].name);
  if (event.key === "Enter" || event.key === " ") activate(here);
  else if (folded && event.key === "ArrowRight" && !open) toggle(number, true);
  else if (folded && event.key === "ArrowLeft" && open) toggle(number, false);
  else if (["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) {
    const next = moved(event.key, here, shownColumns());
    if (next) go(next);
    if (next && next[2] !== NAME && !$("panel").hidden) show(next);
  } else return;
  event.preventDefault();
}

/* What a click or Enter does: a cell opens its evidence, a name its case. */
function activate([number, row, column]) {
  setCurrent([number, row, column]);
  if (column !== NAME) show([number, row, column]);
  else if (row === CASE) toggle(number);
  else show([number, row, newest(SECTIONS[number], row)]);
}

/* The newest release's column that was observed, or just the newest. */
function newest(section, row) {
  const columns = shownColumns();
  return columns.findLast(column => cellOf(section, row, column)[1] === 0) ?? columns.at(-1) ?? 0;
}
