/* ------------------------------------------------------------------ the controls, and the start */

const THEMES = ["", "light", "dark"], THEME_SIGNS = ["\u25d0", "\u2600", "\u263e"];
const THEME_WORDS = ["as the system has them", "light", "dark"];

function theme(index) {
  document.documentElement.dataset.theme = THEMES[index];
  $("theme").textContent = THEME_SIGNS[index];
  $("theme").title = `Colours: ${THEME_WORDS[index]}`;
  $("theme").setAttribute("aria-label", $("theme").title);
}

/* A page of a file may have no storage. */
function stored(value) {
  try {
    if (value !== undefined) localStorage.setItem("ksem-theme", value);
    return localStorage.getItem("ksem-theme") || "";
  } catch {
    return value || "";
  }
}

function startControls() {
  const areas = [...new Set(SECTIONS.map(section => section.area))];
  $("area").append(...areas.filter(Boolean).map(area => make("option", {value: area}, area)));
  const designs = Object.keys(DATA.designs);
  $("design").append(...designs.map(design => make("option", {value: design}, design)));
  $("designs").hidden = !designs.length;
  const everywhere = COLUMNS.map((_, column) => column);
  $("trouble").closest("label").hidden = !SECTIONS.some(section => section.rows.some((_, row) => troubled(section, row, everywhere)));
  $("drift").closest("label").hidden = !SECTIONS.some(section => section.documented);
  $("columns").querySelector(".menu").replaceChildren(...COLUMNS.map((column, number) => make("label", {},
    make("input", {type: "checkbox", value: number}), make("span", {}, column.name), make("small", {}, column.release))));
  const series = COLUMNS.filter(column => column.name !== "local" && column.series).map(column => column.series);
  const rows = SECTIONS.reduce((sum, section) => sum + section.rows.length, 0);
  $("tally").textContent = `${count(SECTIONS.length, "case")}, ${count(rows, "parameter set")}, ${count(COLUMNS.length, "kernel")}`
    + (series.length > 1 ? ` from ${series[0]} to ${series.at(-1)}` : "");
}

/* The controls show what is chosen. */
function reflect() {
  /* Who types a space means to go on. */
  if (document.activeElement !== $("search")) $("search").value = state.query;
  for (const name of ["area", "design"]) $(name).value = state[name];
  for (const name of SWITCHES) $(name).checked = state[name];
  for (const box of $("columns").querySelectorAll("input")) box.checked = !state.hidden.has(Number(box.value));
  $("columns").firstElementChild.textContent = state.hidden.size ? `Columns ${shownColumns().length}/${COLUMNS.length}` : "Columns";
}

function chosenAnew() {
  state.query = $("search").value.trim();
  for (const name of ["area", "design"]) state[name] = $(name).value;
  for (const name of SWITCHES) state[name] = $(name).checked;
  state.hidden = new Set([...$("columns").querySelectorAll("input")].filter(box => !box.checked).map(box => Number(box.value)));
  reflect();
  refresh();
}

function listen() {
  $("search").addEventListener("input", chosenAnew);
  /* Leaving the search changes nothing: a grid built anew under the pointer would lose its click. */
  $("tools").addEventListener("change", event => { if (event.target !== $("search")) chosenAnew(); });
  $("tools").addEventListener("submit", event => event.preventDefault());
  $("reset").addEventListener("click", () => {
    Object.assign(state, {query: "", area: "", design: "", differences: false, trouble: false, drift: false, hidden: new Set()});
    reflect();
    refresh();
    $("search").focus();
  });
  $("expand").addEventListener("click", () => expandAll($("expand").getAttribute("aria-expanded") !== "true"));
  $("theme").addEventListener("click", () => {
    const next = (THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length;
    theme(next);
    stored(THEMES[next]);
  });
  $("keys").addEventListener("click", () => $("help").showModal());
  $("head").addEventListener("click", event => {
    const button = event.target.closest("button[data-column]");
    if (button) show([null, CASE, Number(button.dataset.column)]);
  });
  $("body").addEventListener("click", event => { if (place(event.target)) activate(place(event.target)); });
  $("body").addEventListener("keydown", onGridKey);
  $("body").addEventListener("focusin", event => { if (place(event.target)) setCurrent(place(event.target)); });
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", event => { if (!$("columns").contains(event.target)) $("columns").open = false; });
  window.addEventListener("hashchange", arrive);
  /* Paper has no scrolling: all that is chosen is built before it is printed. */
  window.addEventListener("beforeprint", () => boxes.forEach((_, number) => fill(number)));
  new ResizeObserver(() => document.documentElement.style.setProperty("--top", `${$("top").offsetHeight}px`)).observe($("top"));
  new ResizeObserver(() => document.documentElement.style.setProperty("--head", `${$("head").offsetHeight}px`)).observe($("head"));
}

function onKey(event) {
  const typing = event.target.matches("input:not([type=checkbox]), textarea"), choosing = event.target.matches("select");
  if (event.altKey || event.ctrlKey || event.metaKey || $("help").open) return;
  if (event.key === "Escape" && typing && $("search").value) {
    $("search").value = "";
    chosenAnew();
  } else if (event.key === "Escape" && $("columns").open) $("columns").open = false;
  else if (event.key === "Escape" && !$("panel").hidden) hide();
  else if (typing) return;
  else if (event.key === "/") $("search").focus();
  else if (choosing) return;
  else if (event.key === "?") $("help").showModal();
  else if (event.key === "d") $("differences").click();
  else return;
  event.preventDefault();
}

/* Show what the address asks for. */
function arrive() {
  const cell = found(recall());
  state.cell = cell;
  reflect();
  refresh();
  if (!cell) return;
  if (cell[0] !== null) {
    if (cell[1] !== CASE) toggle(cell[0], true);
    go(cell);
  }
  show(cell);
}

theme(Math.max(0, THEMES.indexOf(stored())));
startControls();
buildGrid();
listen();
arrive();
performance.mark("ready");
