/* ------------------------------------------------------------------ evidence as text for a mail: ASCII, 72 columns, to be pasted as it is */

const WIDTH = 72, SPELLED = 6, CALLS = 24;

const ascii = text => text.replace(/[^ -~]/gu, one => one === "\n" ? " " : `\\u${one.codePointAt(0).toString(16).padStart(4, "0")}`);

/* A paragraph whose lines fit; a word that is longer than a line is broken. */
function filled(text, first = "", rest = first) {
  const lines = [], room = () => WIDTH - (lines.length ? rest : first).length;
  let line = "";
  for (let word of ascii(text).split(/ +/).filter(Boolean)) {
    if (line && line.length + 1 + word.length > room()) {
      lines.push((lines.length ? rest : first) + line);
      line = "";
    }
    for (; word.length > room(); word = word.slice(room())) lines.push((lines.length ? rest : first) + word.slice(0, room()));
    line += line ? ` ${word}` : word;
  }
  return [...lines, (lines.length ? rest : first) + line].join("\n");
}

function cited(section, data, row, column, environment) {
  const [seen, , , reason, trace] = entry(data, row, column);
  return [
    filled(section.claim), documentation(section, data), kernelsSeen(section, data, row),
    seen || trace.length ? calls(section, data, row, column, environment)
      : filled(`On ${COLUMNS[column].name}: ${WORDS[cellOf(section, row, column)[0]]}${reason ? `: ${reason}` : ""}`, "", "  "),
    `Run it again:\n  ${command(section, column)}`,
  ].join("\n\n") + "\n";
}

const documentation = (section, data) => ["Sources:", ...data.cites.map(one => filled(one, "  ", "    ")),
  ...section.documented ? ["Documentation that says otherwise, or less:", filled(section.documented, "  ")] : []].join("\n");

/* The values that are spelled out: those that tell all groups apart first, as far as there is room. */
function telling(paths, observed) {
  const chosen = [], parts = some => new Set(observed.map(seen => JSON.stringify(some.map(path => seen[path] ?? null)))).size;
  for (const path of paths) if (parts([...chosen, path]) > parts(chosen)) chosen.push(path);
  const rest = paths.filter(path => !chosen.includes(path)), kept = new Set([...chosen, ...rest].slice(0, SPELLED));
  return paths.filter(path => kept.has(path));
}

/* Which kernels show what: those that agree in one line, with the values in which they differ from others. */
function kernelsSeen(section, data, row) {
  const groups = data.rows[row].groups.map(([names, column]) => [names, entry(data, row, column), cellOf(section, row, column)[0]]);
  const observed = groups.map(([, [seen]]) => seen).filter(Boolean);
  const paths = [...new Set(observed.flatMap(Object.keys))].filter(path => new Set(observed.map(seen => seen[path])).size > 1);
  const told = groups.flatMap(([names, [seen, , , reason], verdict]) => {
    const wrong = verdict === "differs" ? " (not as expected)" : "";
    if (!seen) return [filled(`${names}: ${WORDS[verdict]}${reason ? `: ${reason.split("\n")[0]}` : ""}`, "  ", "    ")];
    if (!paths.length) return [filled(`${names}: all the same${wrong}`, "  ", "    ")];
    const values = telling(paths, observed).map(path => filled(`${path}: ${seen[path] ?? "absent"}`, "    ", "      "));
    return [filled(`${names}${wrong}:`, "  ", "    "), ...values,
            ...paths.length > SPELLED ? [`    (and ${paths.length - SPELLED} more values)`] : []];
  });
  const about = label(section, row);
  return [filled(about ? `Seen on Linux with ${about}:` : "Seen on Linux:", "", "  "), ...told].join("\n");
}

/* A kernel and what surrounds it, as much as one line has room for. */
function surroundings(column, told) {
  const accelerator = told.accelerator ? ` (${told.accelerator})` : "";
  const parts = [told.package || told.release, told.architecture, `${told.backend ?? ""}${accelerator}`, told.os,
                 told.caller && `caller ${told.caller}`, told.lsm && `lsm ${told.lsm}`];
  return parts.filter(part => part && part !== "null").map(ascii)
    .reduce((line, part) => line.length + part.length + 3 <= WIDTH ? `${line}, ${part}` : line, ascii(`On Linux ${COLUMNS[column].release}`))
    .slice(0, WIDTH - 1) + ":";
}

/* The calls around the first that another kernel answered otherwise; where none did, the last. */
function calls(section, data, row, column, environment) {
  const events = entry(data, row, column)[4].map(number => data.events[number]), other = rival(section, data, row, column);
  const theirs = other ? differing(events, other.trace.map(number => data.events[number])) : new Map();
  const focus = theirs.size ? Math.min(...theirs.keys()) : events.length - 1;
  const start = Math.max(0, Math.min(focus - Math.floor(CALLS * 2 / 3), events.length - CALLS));
  const kept = events.slice(start, start + CALLS);
  const left = [[start, "before these"], [events.length - start - kept.length, "after these"]].filter(([number]) => number)
    .map(([number, where]) => `${number} ${where}`).join(", ");
  let place = "";
  const lines = kept.flatMap((event, index) => {
    const [process, namespaces] = event, heading = `${process}, in ${namespaces}:`, moved = heading !== place;
    place = heading;
    const note = theirs.get(start + index);
    return [...moved ? [filled(heading, "  ", "    ")] : [], filled(spelled(data, event), "    ", "        "),
            ...note === undefined ? [] : [filled(`(on ${other.name}: ${note})`, "        ")]];
  });
  return [surroundings(column, environment), filled(left ? `(${kept.length} of ${events.length} calls; left out: ${left})` : `(${count(kept.length, "call")})`, "  "),
          ...lines].join("\n");
}

/* A series stands for its newest release, which may be another one by then. */
function command(section, column) {
  const {name, release, series, backend} = COLUMNS[column];
  const exact = backend === "qemu" && name === `debian-${series}` ? `debian-${release}` : name;
  const quoted = word => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  const words = [`ksem run ${ascii(quoted(exact))}`, `-k ${ascii(quoted(section.name))}`], line = words.join(" ");
  return line.length + 2 <= WIDTH ? line : words.join(" \\\n      ");
}
