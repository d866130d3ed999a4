"use strict";
/* The page's script, in parts that are joined: its data and what is chosen of it (here), the grid, the evidence, the start.
   Whatever comes from a kernel becomes the text of a node, never markup. */

const $ = id => document.getElementById(id);
const DATA = JSON.parse($("overview").textContent);
const COLUMNS = DATA.columns, SECTIONS = DATA.sections;
const SIGNS = {conforms: "\u2713", differs: "\u2717", unsupported: "n/a", broken: "!", lost: "\u2020", flaky: "?",
               unknown: "\u00b7"};
const WORDS = {conforms: "as expected", differs: "not as expected", unsupported: "unsupported", broken: "broken",
               lost: "lost", flaky: "flaky", unknown: "not run"};
const TROUBLE = new Set(["differs", "broken", "lost", "flaky"]);
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
/* Instead of a row's number: the whole case. Instead of a column's: the row's name. */
const CASE = -1, NAME = -1;

/* What is chosen. hidden: columns; open: cases whose rows are shown; cell: whose evidence is open, [section, row, column]. */
const state = {query: "", area: "", design: "", differences: false, trouble: false, drift: false,
               hidden: new Set(), open: new Set(), cell: null};

function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}

const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const letter = kind => kind < LETTERS.length ? LETTERS[kind] : `#${kind + 1}`;
const values = (section, row) => section.rows[row].slice(0, -1);
const label = (section, row) => values(section, row).map((value, index) => `${section.params[index]}=${value}`).join(" ");
const identity = (section, row) => section.name + (row === CASE || !section.params.length ? "" : `[${values(section, row).join("-")}]`);
const shownColumns = () => COLUMNS.map((_, number) => number).filter(number => !state.hidden.has(number));

/* The line that stands for the case: its only row, or the summary of all. */
const head = section => section.rows.length === 1 ? 0 : CASE;
const cellOf = (section, row, column) =>
  section.cells[(row === CASE ? section.summary : section.rows[row][section.params.length])[column]];

/* Columns in which a case or row was observed do not all behave alike. */
function differs(section, row, columns) {
  const kinds = new Set(columns.map(column => cellOf(section, row, column)[1]));
  kinds.delete(null);
  return kinds.size > 1;
}

const troubled = (section, row, columns) => columns.some(column => TROUBLE.has(cellOf(section, row, column)[0]));

const texts = new Map();

/* What a search looks through: the case's own words, and those of each row. */
function searched(section) {
  if (!texts.has(section)) {
    const briefs = new Set(section.cells.map(([verdict, , brief]) => `${brief} ${WORDS[verdict]}`));
    const own = [section.name, section.claim, section.documented, ...section.calls, ...briefs].join(" ").toLowerCase();
    texts.set(section, {own, rows: section.rows.map((_, row) => label(section, row).toLowerCase())});
  }
  return texts.get(section);
}

/* The rows of a case that are chosen. */
function chosenRows(section, columns) {
  if (state.area && section.area !== state.area) return [];
  if (state.design && !DATA.designs[state.design].includes(section.name)) return [];
  if (state.drift && !section.documented) return [];
  const words = state.query.toLowerCase().split(/\s+/).filter(Boolean), {own, rows} = searched(section);
  return section.rows.map((_, row) => row).filter(row =>
    words.every(word => own.includes(word) || rows[row].includes(word))
    && (!state.differences || differs(section, row, columns))
    && (!state.trouble || troubled(section, row, columns)));
}

/* ------------------------------------------------------------------ the address says what is chosen, so that it can be sent */

const SWITCHES = ["differences", "trouble", "drift"], TEXTS = ["query", "area", "design"];

function address() {
  const said = new URLSearchParams();
  for (const name of TEXTS) if (state[name]) said.set(name, state[name]);
  for (const name of SWITCHES) if (state[name]) said.set(name, "1");
  if (state.hidden.size) said.set("without", [...state.hidden].map(number => COLUMNS[number].name).join(","));
  if (state.cell) {
    const [section, row, column] = state.cell;
    said.set("cell", section === null ? `@${COLUMNS[column].name}` : `${identity(SECTIONS[section], row)}@${COLUMNS[column].name}`);
  }
  return `#${said}`;
}

function remember() {
  if (address() !== (location.hash || "#")) history.replaceState(null, "", address());
}

function recall() {
  const said = new URLSearchParams(location.hash.slice(1));
  for (const name of TEXTS) state[name] = said.get(name) || "";
  if (!SECTIONS.some(section => section.area === state.area)) state.area = "";
  if (!Object.hasOwn(DATA.designs, state.design)) state.design = "";
  for (const name of SWITCHES) state[name] = said.get(name) === "1";
  const without = new Set((said.get("without") || "").split(","));
  state.hidden = new Set(COLUMNS.map((_, number) => number).filter(number => without.has(COLUMNS[number].name)));
  return said.get("cell") || "";
}

/* The cell of an address: [section, row, column], or null. */
function found(name) {
  const at = name.lastIndexOf("@"), column = COLUMNS.findIndex(one => one.name === name.slice(at + 1));
  if (at < 0 || column < 0) return null;
  if (at === 0) return [null, CASE, column];
  for (const [number, section] of SECTIONS.entries()) {
    if (!name.startsWith(section.name)) continue;
    const rows = [CASE, ...section.rows.keys()].filter(row => identity(section, row) === name.slice(0, at));
    if (rows.length) return [number, section.rows.length === 1 ? 0 : rows[0], column];
  }
  return null;
}
