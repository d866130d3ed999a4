/* ------------------------------------------------------------------ evidence as text for a mail: what `ksem cite` prints */

const WIDTH = 72, LONGEST = 200;

/* What ASCII lacks is spelled as Python does. */
const ascii = text => [...text].map(one => {
  const code = one.codePointAt(0);
  const spelling = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return code < 0x80 ? one : `\\${spelling[0]}${code.toString(16).padStart(spelling[1], "0")}`;
}).join("");

/* A paragraph as ksem/wrap.py sets it: marks stand for where a line may end too, and where it may not. */
function filled(text, first = "", rest = first, breaks = "", glued = []) {
  let marked = ascii(text.trim().replace(/\s+/g, " "));
  for (const piece of glued) marked = marked.replaceAll(piece, piece.replaceAll(" ", "\x01"));
  if (breaks) marked = marked.replaceAll(breaks, `${breaks}\x00 `);
  const chunks = marked.split(/( +)/).filter(Boolean), lines = [];
  while (chunks.length) {
    const indent = lines.length ? rest : first, room = WIDTH - indent.length;
    let line = "";
    if (lines.length && chunks[0].trim() === "") chunks.shift();
    while (chunks.length && line.length + chunks[0].length <= room) line += chunks.shift();
    if (chunks.length && chunks[0].length > room) {
      const left = room - line.length;
      line += chunks[0].slice(0, left);
      chunks[0] = chunks[0].slice(left);
    }
    if (line.trimEnd()) lines.push(indent + line.trimEnd());
  }
  return lines.join("\n").replaceAll("\x00 ", "").replaceAll("\x00", "").replaceAll("\x01", " ");
}

/* Claim, sources and which kernels show what are text already; the calls are spelled here. */
function cited(section, data, row, column) {
  const [seen, , , reason, trace] = entry(data, row, column), mail = data.mails[data.rows[row].mails[column]];
  return [
    data.mail, data.rows[row].seen,
    mail ? calls(section, data, row, column, trace.map(number => data.events[number]), mail)
      : filled(`On ${COLUMNS[column].name}: ${seen ? "no call was recorded" : WORDS[cellOf(section, row, column)[0]]}${reason ? `: ${reason.split("\n")[0]}` : ""}`, "", "  "),
    `Run it again:\n${command(section, row, column)}`,
  ].join("\n\n") + "\n";
}

function calls(section, data, row, column, events, [plan, other]) {
  const [kept, counted, notes, named] = data.plans[plan], glued = [") = -1 E", ") = ", ") -> "];
  let place = "";
  const lines = kept.flatMap(number => {
    const event = events[number], heading = `${event[0]}, in ${event[1]}:`, moved = heading !== place;
    place = heading;
    return [...moved ? [filled(heading, "  ", "    ")] : [], filled(briefly(data, event, named[number] ?? {}), "    ", "        ", "|", glued),
            ...number in notes ? [filled(`(on ${other}: ${notes[number]})`, "        ", "         ")] : []];
  });
  return [COLUMNS[column].line, ...section.rows.length > 1 ? [filled(`with ${label(section, row)}`, "  ", "    ")] : [],
          filled(counted, "  ", "   "), ...lines].join("\n");
}

/* A call with its result, as ksem/strace.py shortens them: a long text, or a file's whole one, would fill a page. */
function briefly(data, [process, place, name, given, told], origins) {
  const result = [...told], rest = result.length - LONGEST;
  const quoted = /"((?:\\[0-7]{3}|\\[^0-7]|[^"\\]){0,64})((?:\\[0-7]{3}|\\[^0-7]|[^"\\])*)"/gu;
  const short = text => text.replace(quoted, (all, first, rest) => rest ? `"${first}"...` : all);
  const named = given.map(short).map((text, index) => index in origins ? `${text}<${origins[index]}>` : text);
  return spelled(data, [process, place, name, named,
                        rest > 0 ? `${result.slice(0, LONGEST).join("")}... (${rest} more characters)` : told]);
}

/* A backslash ends what does not fit into a line. */
function command(section, row, column) {
  const quoted = word => /^[\w@%+=:,./-]+$/.test(word) ? ascii(word) : `'${ascii(word).replaceAll("'", `'"'"'`)}'`;
  const words = [`ksem run ${quoted(COLUMNS[column].exact)}`, `-k ${quoted(section.name)}`];
  if (section.rows.length > 1) {
    words.push(...values(section, row).map((value, index) => `--params ${quoted(`${section.params[index]}=${value}`)}`));
  }
  const whole = `  ${words.join(" ")}`, lines = ["  "];
  if (whole.length <= WIDTH) return whole;
  for (const word of words) {
    for (const part of word.length + 6 < WIDTH - 2 ? [word] : [word.slice(0, word.indexOf(" ")), word.slice(word.indexOf(" ") + 1)]) {
      if (lines.at(-1).length + part.length + 2 > WIDTH - 2 && lines.at(-1).trim()) {
        lines.push("     ");
        lines[lines.length - 2] += " \\";
      }
      lines[lines.length - 1] += `${lines.at(-1).trim() ? " " : ""}${part}`;
    }
  }
  return lines.join("\n");
}
