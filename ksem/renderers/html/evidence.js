/* ------------------------------------------------------------------ the evidence behind a cell */

const FEW_EVENTS = 300;
let packedEvidence = null;
const unpacked = new Map();

/* Deflated JSON in base64, as ksem/renderers/html/content.py packs it. */
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return JSON.parse(await new Response(stream).text());
}

/* The evidence of a case, or without one the columns' environments; each is unpacked once. */
function evidence(section = null) {
  packedEvidence ??= JSON.parse($("evidence").textContent);
  if (!unpacked.has(section)) {
    unpacked.set(section, unpack(section ? packedEvidence.cases[SECTIONS.indexOf(section)] : packedEvidence.environments));
  }
  return unpacked.get(section);
}

let asked = 0;

async function show(cell) {
  const [number, row, column] = cell, turn = asked += 1;
  state.cell = cell;
  remember();
  mark();
  const panel = $("panel");
  const content = number === null ? await columnPanel(column)
    : row === CASE ? await casePanel(SECTIONS[number], column) : await cellPanel(SECTIONS[number], row, column);
  /* Who moved on meanwhile wants to see something else. */
  if (turn !== asked) return;
  panel.replaceChildren(...content);
  panel.dataset.cell = address();
  panel.hidden = false;
  panel.scrollTop = 0;
  for (const note of panel.querySelectorAll(".trace mark:first-of-type")) {
    note.parentElement.scrollTop = note.offsetTop - note.parentElement.offsetTop - note.parentElement.clientHeight / 2;
  }
  document.body.classList.add("evident");
}

function hide() {
  asked += 1;
  state.cell = null;
  remember();
  mark();
  $("panel").hidden = true;
  document.body.classList.remove("evident");
  if (current && nodeAt(current)) nodeAt(current).focus();
}

function mark() {
  document.querySelectorAll(".marked").forEach(node => node.classList.remove("marked"));
  if (!state.cell) return;
  const [number, , column] = state.cell;
  document.querySelector(`#head [data-column="${column}"]`)?.classList.add("marked");
  if (number !== null) nodeAt(state.cell)?.classList.add("marked");
}

/* ------------------------------------------------------------------ its parts */

const part = (title, ...children) => make("section", {}, make("h3", {}, title), ...children);
const listed = (words, tag = "li") => make("ul", {}, ...words.map(word => make(tag, {}, word)));

const verdictSign = ([verdict, kind], many) => make("span", {class: `cell ${verdict} ${many && kind !== null ? `many k${Math.min(kind, 5)}` : ""}`},
  make("b", {}, verdict === "conforms" && many ? letter(kind) : SIGNS[verdict]));

function heading(title, subtitle, sign, words) {
  const link = make("button", {type: "button", title: "Copy the address of this evidence"}, "Link");
  link.addEventListener("click", () => copy(location.href, link));
  return make("header", {},
    make("div", {class: "path"}, make("h2", {}, ...title), link,
      make("button", {type: "button", class: "close", title: "Close (Esc)", "aria-label": "Close", onclick: hide}, "\u2715")),
    make("p", {class: "verdict"}, sign, make("strong", {}, words), subtitle));
}

async function copy(text, button) {
  const before = button.textContent;
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    /* Not every browser gives a file the clipboard. */
    const area = make("textarea", {class: "unseen"});
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = done ? "Copied" : "Select it, then copy";
  $("said").textContent = button.textContent;
  setTimeout(() => { button.textContent = before; }, 1500);
}

function quoted(text, title) {
  const button = make("button", {type: "button"}, "Copy");
  button.addEventListener("click", () => copy(text, button));
  return make("div", {class: "quoted"}, button, make("pre", {tabindex: 0, "aria-label": title}, text));
}

/* ------------------------------------------------------------------ a cell */

async function cellPanel(section, row, column) {
  const data = await evidence(section), environments = await evidence();
  const [seen, expected, cites, reason, trace] = entry(data, row, column);
  const look = cellOf(section, row, column), many = differs(section, row, COLUMNS.map((_, one) => one));
  const words = WORDS[look[0]] + (many && look[1] !== null ? `, behaviour ${letter(look[1])}` : "");
  return [
    heading([...breakable(section.name), make("small", {}, label(section, row))], ` on ${COLUMNS[column].name}, ${COLUMNS[column].release || "never seen"}`,
        verdictSign(look, many), words),
    make("div", {class: "parts"},
      make("p", {class: "statement"}, section.claim),
      reason ? part(WORDS[look[0]], make("pre", {tabindex: 0}, reason)) : null,
      part("Observation", seen ? comparison(seen, expected, rival(section, data, row, column)) : make("p", {}, "Nothing was observed.")),
      kernels(section, data, row, column),
      sources(section, data, seen ? cites : ""),
      trace.length ? part("Trace", ...traced(data, trace, rival(section, data, row, column))) : null,
      seen || reason ? part("To cite", quoted(cited(section, data, row, column), "Text for a mail")) : null,
      data.prose ? about(data) : null,
      part("Environment", facts(environments[column]))),
  ];
}

function entry(data, row, column) {
  const [seen, expected, cites, reason, trace] = data.entries[data.rows[row].entries[column]];
  return [...[seen, expected, cites, reason].map(number => data.texts[number]), data.traces[trace]];
}

/* Long names may break where they have a joint. */
const breakable = name => name.split(/(?<=[._])/).flatMap(word => [word, make("wbr")]);

/* Another behaviour to hold against this one: the newest's, or for the newest the one nearest to it. */
function rival(section, data, row, column) {
  const kind = cellOf(section, row, column)[1];
  if (kind === null) return null;
  const others = COLUMNS.map((_, one) => one).filter(one => ![null, kind].includes(cellOf(section, row, one)[1]));
  const other = others.findLast(one => cellOf(section, row, one)[1] === 0) ?? others.at(-1);
  if (other === undefined) return null;
  const [seen, , , , trace] = entry(data, row, other);
  return {name: COLUMNS[other].name, seen, trace};
}

/* Every value that was seen; what is not as expected first, then what another kernel does otherwise. */
function comparison(seen, expected, other) {
  const paths = [...new Set([...Object.keys(expected), ...Object.keys(seen)])];
  const rank = path => seen[path] !== expected[path] ? 0 : other && seen[path] !== other.seen[path] ? 1 : 2;
  const wrong = paths.some(path => rank(path) === 0), absent = make("em", {}, "absent");
  const shown = value => value === undefined ? absent.cloneNode(true) : value;
  const against = other && paths.some(path => rank(path) === 1);
  const rows = paths.map((path, index) => [rank(path), index, path]).sort((one, two) => one[0] - two[0] || one[1] - two[1]);
  return make("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": "Observation and expectation"}, make("table", {},
    make("thead", {}, make("tr", {}, ...["", "observed", wrong ? "expected" : null, against ? `on ${other.name}` : null]
      .filter(title => title !== null).map(title => make("th", {scope: "col"}, title)))),
    make("tbody", {}, ...rows.map(([place, , path]) => make("tr", {class: ["wrong", "other", ""][place]},
      make("th", {scope: "row"}, path), make("td", {}, place === 0 ? "\u2717 " : place === 1 ? "\u2260 " : "", shown(seen[path])),
      wrong ? make("td", {}, shown(expected[path])) : null, against ? make("td", {}, shown(other.seen[path])) : null)))),
    wrong ? null : make("p", {class: "note"}, "All of it is as expected."));
}

/* Which kernels do the same, and which do something else; each leads to its evidence. */
function kernels(section, data, row, column) {
  const number = SECTIONS.indexOf(section), many = differs(section, row, COLUMNS.map((_, one) => one));
  const mine = data.rows[row].entries[column];
  const lines = data.rows[row].groups.map(([names, one]) => {
    const look = cellOf(section, row, one), here = cellOf(section, row, column);
    const same = look === here && (data.rows[row].entries[one] === mine || look[1] !== null);
    return make("li", {class: same ? "same" : null}, verdictSign(look, many),
      make("button", {type: "button", class: "plain", onclick: () => { go([number, row, one]); show([number, row, one]); }}, names),
      look[2] ? make("span", {class: "value"}, look[2]) : null, same ? make("small", {}, "this one") : null);
  });
  return lines.length ? part("Kernels", make("ul", {class: "kernels"}, ...lines)) : null;
}

function sources(section, data, cites) {
  return part("Sources",
    cites ? make("p", {}, "For this release: ", cites) : null, listed(data.cites),
    section.documented ? make("p", {class: "documented"}, make("strong", {}, "The manual says otherwise. "), section.documented) : null);
}

function about(data) {
  return part("About the case", ...data.prose.split(/\n\s*\n/).map(text => make("p", {}, text.replace(/\s+/g, " "))));
}

const facts = environment => make("dl", {class: "facts"}, ...Object.entries(environment)
  .filter(([, value]) => value !== "null")
  .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));

/* ------------------------------------------------------------------ a trace, as strace would show it */

const failed = result => /^E[A-Z0-9]+$/.test(result);
const returned = result => failed(result) ? `-1 ${result}` : result;

/* What is no system call but reads something (mountinfo) answers with an arrow. */
const answer = (data, event) => data.readers.includes(event[2]) ? ["->", event[4]] : ["=", returned(event[4])];
const spelled = (data, event) => `${event[2]}(${event[3].join(", ")}) ${answer(data, event).join(" ")}`;

function traced(data, trace, other) {
  const events = trace.map(number => data.events[number]);
  const many = new Set(events.map(event => event[0])).size > 1, width = Math.max(...events.map(event => event[0].length));
  const theirs = other ? differing(events, other.trace.map(number => data.events[number])) : new Map();
  const block = make("pre", {class: "trace", tabindex: 0, "aria-label": "System calls"});
  const where = new Map();
  const line = (event, index) => {
    const [process, namespaces, call, given, result] = event, moved = where.get(process) !== namespaces;
    const [sign, value] = answer(data, event);
    where.set(process, namespaces);
    const note = theirs.get(index);
    block.append(...[
      moved ? make("i", {}, `${many ? `${process} ` : ""}in ${namespaces}\n`) : null,
      many ? make("span", {class: "who"}, `${process.padEnd(width)}  `) : null,
      make("span", {class: note ? "call noted" : "call"}, make("b", {}, call), `(${given.join(", ")}) ${sign} `,
        make("span", {class: sign === "=" && failed(result) ? "failed" : "result"}, value)),
      note ? make("mark", {}, `  \u2260 ${note} on ${other.name}`) : null, "\n"].filter(Boolean));
  };
  events.slice(0, FEW_EVENTS).forEach(line);
  if (events.length <= FEW_EVENTS) return [block];
  const more = make("button", {type: "button"}, `Show all ${events.length} calls`);
  more.addEventListener("click", () => {
    events.slice(FEW_EVENTS).forEach((event, index) => line(event, index + FEW_EVENTS));
    more.remove();
  });
  return [block, more];
}

/* Where the same call was answered otherwise elsewhere: line by line, as long as both do the same. */
function differing(events, others) {
  const found = new Map();
  for (let index = 0; index < Math.min(events.length, others.length); index += 1) {
    const [process, , call, given, result] = events[index], [who, , what, theirs, other] = others[index];
    if (process !== who || call !== what || given.join() !== theirs.join()) break;
    if (result !== other) found.set(index, returned(other));
  }
  return found;
}

/* ------------------------------------------------------------------ a case, a column */

async function casePanel(section, column) {
  const data = await evidence(section), number = SECTIONS.indexOf(section);
  const look = cellOf(section, CASE, column), many = differs(section, CASE, COLUMNS.map((_, one) => one));
  const rows = section.rows.map((_, row) => {
    const own = cellOf(section, row, column);
    return make("li", {}, verdictSign(own, differs(section, row, COLUMNS.map((_, one) => one))),
      make("button", {type: "button", class: "plain", onclick: () => { toggle(number, true); go([number, row, column]); show([number, row, column]); }}, label(section, row)),
      own[2] ? make("span", {class: "value"}, own[2]) : null);
  });
  return [
    heading(breakable(section.name), ` on ${COLUMNS[column].name}, ${COLUMNS[column].release || "never seen"}`, verdictSign(look, many), WORDS[look[0]]),
    make("div", {class: "parts"}, make("p", {class: "statement"}, section.claim),
      part(count(rows.length, "parameter set"), make("ul", {class: "kernels"}, ...rows)), sources(section, data, ""), about(data)),
  ];
}

async function columnPanel(column) {
  const environments = await evidence(), {name, release, about, remark, counts} = COLUMNS[column];
  return [
    heading(breakable(name), about, verdictSign(["conforms", null], false), release || "never seen"),
    make("div", {class: "parts"}, remark ? make("p", {class: "statement"}, remark) : null,
      part("Cells", make("ul", {class: "kernels"}, ...Object.keys(SIGNS).filter(verdict => counts[verdict]).map(verdict =>
        make("li", {}, verdictSign([verdict, null], false), `${counts[verdict]} ${WORDS[verdict]}`)))),
      part("Environment", facts(environments[column]))),
  ];
}
