"use strict";
// Shows the packed data. Every text becomes a text node: nothing that a model wrote is parsed as markup.
const $ = (id) => document.getElementById(id);
const SIGNS = { passed: "●", failed: "✕", inconclusive: "?", "infrastructure-error": "!", "budget-stopped": "$" };
const FILTERS = ["q", "show", "cause", "tag", "flag", "student", "skill"];
const MANY = 8;
let index, rows, arms, found = [], active = 0, item = -1, prompts;
const blocks = new Map(), haystacks = [];

function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

async function unpack(name) {
  const raw = atob($(`data-${name}`).textContent);
  const bytes = Uint8Array.from(raw, (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function block(number) {
  const placed = (all) => all.map((one) => (one.source_at ? { ...one, source: one.reply.slice(...one.source_at) } : one));
  if (!blocks.has(number)) blocks.set(number, unpack(`items-${number}`).then(placed));
  return blocks.get(number);
}

async function details(number) {
  return (await block(Math.floor(number / index.block)))[number % index.block];
}

// ---------------------------------------------------------------------------------------- filters, state in the URL

function remember() {
  const state = new URLSearchParams();
  for (const name of FILTERS) if ($(name).value) state.set(name, $(name).value);
  if (item >= 0) state.set("item", index.items[item][6]);
  if (item >= 0 && side()) state.set("side", "1");
  const hash = state.size ? `#${state}` : location.pathname + location.search;
  history.replaceState(null, "", hash);
}

function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const name of FILTERS) $(name).value = state.get(name) ?? "";
  for (const name of FILTERS) if ($(name).selectedIndex === -1) $(name).value = "";
  $("side").setAttribute("aria-pressed", String(state.get("side") === "1"));
  const wanted = state.has("item") ? index.items.findIndex((one) => one[6] === state.get("item")) : -1;
  filter();
  if (wanted >= 0) open(wanted); else if ($("detail").open) $("detail").close();
}

const rate = (numbers) => {
  const decided = numbers.filter((n) => ["passed", "failed"].includes(index.items[n][2]));
  return decided.length ? decided.filter((n) => index.items[n][2] === "passed").length / decided.length : null;
};

function differs(row) {
  const rates = arms.map((arm) => rate(row.items.filter((n) => index.items[n][0] === arm))).filter((one) => one !== null);
  return rates.some((one) => one !== rates[0]);
}

const flipped = (n) => index.items[n][5] && index.items[n][5] !== index.items[n][2];
const SHOW = {
  failures: (row) => row.items.some((n) => index.items[n][2] !== "passed"),
  arms: differs,
  trials: (row) => arms.some((arm) => ![0, 1, null].includes(rate(row.items.filter((n) => index.items[n][0] === arm)))),
  flipped: (row) => row.items.some(flipped),
};

function keeps(row) {
  const show = $("show").value, cause = $("cause").value, tag = $("tag").value;
  if ($("student").value && row.student !== $("student").value) return false;
  if ($("skill").value && row.skill !== $("skill").value) return false;
  if (tag && !row.tags.includes(tag)) return false;
  if ($("flag").value && !row.flags.includes($("flag").value)) return false;
  if (cause && !row.items.some((n) => index.items[n][3] === cause)) return false;
  if (SHOW[show]) return SHOW[show](row);
  return !show || row.items.some((n) => index.items[n][2] === show);
}

const whole = (text) => (Array.isArray(text) ? text[0] : text ?? "");

function searchable(one) {
  const example = one.example ? [one.example.text, whole(one.example.message)] : [];
  const said = [...(one.assertions ?? []).map((a) => `${a[0]} ${a[1] ? "" : whole(a[2])}`), ...(one.reports ?? []).map((r) => whole(r[1]))];
  const parts = [whole(one.reason), whole(one.reply), whole(one.source), whole(one.reasoning), ...example, ...said, ...(one.notes ?? [])];
  return parts.join("\n").toLowerCase();
}

let searches = 0;
async function filter() {
  const own = ++searches, words = $("q").value.toLowerCase().split(/\s+/).filter(Boolean);
  const candidates = rows.filter(keeps);
  const short = (row) => `${row.skill} ${row.case} ${row.student} ${row.kind} ${row.tags.join(" ")} ${row.items.map((n) => `${index.items[n][3]} ${index.items[n][4]} ${index.items[n][6]}`).join("\n")}`.toLowerCase();
  const hits = new Set(candidates.filter((row) => { const text = short(row); return words.every((word) => text.includes(word)); }));
  const update = (note) => { found = candidates.filter((row) => hits.has(row)); active = Math.max(0, Math.min(active, found.length - 1)); draw(true); status(note); };
  update(words.length ? "searching replies, kernels and messages …" : "");
  let drawn = performance.now(), known = hits.size;
  for (const row of words.length ? candidates : []) {
    if (hits.has(row)) continue;
    for (const n of row.items) {
      if (haystacks[n] === undefined) {
        const from = Math.floor(n / index.block), all = await block(from);
        all.forEach((one, place) => { haystacks[from * index.block + place] ??= searchable(one); });
        if (own !== searches) return;
      }
      const text = `${short(row)}\n${haystacks[n]}`;
      if (words.every((word) => text.includes(word))) { hits.add(row); break; }
    }
    if (performance.now() - drawn > 120) {
      if (hits.size > known) { known = hits.size; update("searching replies, kernels and messages …"); }
      await new Promise((resume) => setTimeout(resume));
      if (own !== searches) return;
      drawn = performance.now();
    }
  }
  if (words.length) update("");
}

function status(note) {
  const items = found.reduce((sum, row) => sum + row.items.length, 0);
  const all = found.length === rows.length ? "" : ` of ${rows.length}`;
  $("status").textContent = `${found.length}${all} ${rows.length === 1 ? "row" : "rows"}, ${items} ${items === 1 ? "item" : "items"}${note ? `; ${note}` : ""}`;
}

// ---------------------------------------------------------------------------------------- the list, in virtual rows

const height = () => parseInt(getComputedStyle($("list")).getPropertyValue("--height"), 10);
const drawnRows = new Map();

function draw(afresh) {
  const list = $("list"), size = height(), top = list.getBoundingClientRect().top;
  if (afresh) { drawnRows.forEach((one) => one.remove()); drawnRows.clear(); list.style.height = `${Math.max(1, found.length) * size}px`; }
  const first = Math.max(0, Math.floor(-top / size) - 8), last = Math.min(found.length, Math.max(first + 40, Math.ceil((innerHeight - top) / size) + 8));
  for (const [number, element] of drawnRows) if (number < first || number >= last) { element.remove(); drawnRows.delete(number); }
  for (let number = first; number < last; number++) {
    if (!drawnRows.has(number)) { const element = rowOf(found[number], number, size); drawnRows.set(number, element); list.append(element); }
    drawnRows.get(number).setAttribute("aria-selected", String(number === active));
  }
  if (drawnRows.has(active)) list.setAttribute("aria-activedescendant", `row-${active}`); else list.removeAttribute("aria-activedescendant");
}

function rowOf(row, number, size) {
  const element = make("div", "row");
  element.id = `row-${number}`;
  element.dataset.row = number;
  element.setAttribute("role", "option");
  element.setAttribute("aria-posinset", number + 1);
  element.setAttribute("aria-setsize", found.length);
  element.style.transform = `translateY(${number * size}px)`;
  const label = row.case || row.kind, note = row.kind === "kernel" || row.kind === "text" ? "" : row.kind;
  const name = make("span", "case", make("b", "", label), ...(note && row.case ? [make("span", "tag", note)] : []), ...row.tags.map((tag) => make("span", "tag", tag)), ...row.flags.map((flag) => make("span", "tag flag", flag)));
  name.title = `${row.skill}: ${label}`;
  const cells = arms.map((arm, place) => dots(row, arm, place === 0));
  const worst = row.items.find((n) => index.items[n][4]);
  const why = make("span", "why", worst === undefined ? "" : index.items[worst][4]);
  if (worst !== undefined && arms.length > 1 && index.items[worst][0] !== arms[0]) why.prepend(`${index.items[worst][0]}: `);
  why.title = why.textContent;
  element.append(name, make("span", "who", row.student || "–"), ...cells, why);
  return element;
}

// The trials of an arm; items without one are in the first column.
function dots(row, arm, first) {
  const numbers = row.items.filter((n) => index.items[n][0] === arm || (first && !index.items[n][0])), cell = make("span", "dots");
  if (numbers.length) cell.dataset.arm = index.items[numbers[0]][0] || row.kind;
  const kinds = numbers.map((n) => index.items[n][2]);
  if (kinds.length > MANY) cell.append(make("span", "", `${kinds.filter((kind) => kind === "passed").length}/${kinds.length}`));
  else kinds.forEach((kind) => cell.append(make("span", `v-${kind}`, SIGNS[kind])));
  if (kinds.length) cell.title = kinds.join(", ") + (numbers.some(flipped) ? "; ↺ flipped since the last run" : "");
  if (numbers.some(flipped)) cell.append(make("span", "tag", "↺"));
  return cell;
}

function move(to) {
  if (!found.length) return;
  active = Math.max(0, Math.min(found.length - 1, to));
  const list = $("list"), size = height(), top = list.getBoundingClientRect().top + active * size;
  const covered = getComputedStyle($("stick")).position === "sticky" ? $("stick").offsetHeight : 0;
  if (top < covered) scrollBy(0, top - covered); else if (top + size > innerHeight) scrollBy(0, top + size - innerHeight);
  draw(false);
  if ($("detail").open) open(found[active].items[0]);
}

// ---------------------------------------------------------------------------------------- one item

const side = () => $("side").getAttribute("aria-pressed") === "true";
const rowWith = (number) => rows.find((row) => row.items.includes(number));

async function open(number) {
  item = number;
  const row = rowWith(number), place = found.indexOf(row);
  if (place >= 0) { active = place; draw(false); }
  const shown = side() && row.items.length > 1 ? together(row, number) : [number];
  const all = await Promise.all(shown.map(details));
  if (all.some((one) => one.prompt !== undefined)) prompts ??= await unpack("prompts");
  if (item !== number) return;
  $("detail-title").replaceChildren(make("bdi", "", row.case || row.kind), row.student ? " · " : "", make("bdi", "", row.student));
  $("tabs").replaceChildren(...row.items.map((n) => tab(n, shown)));
  $("panes").replaceChildren(...shown.map((n, place) => pane(n, all[place])));
  $("detail").classList.toggle("wide", shown.length > 1);
  if (!$("detail").open) $("detail").showModal();
  $("detail").scrollTop = 0;
  for (const line of document.querySelectorAll(".code .marked")) { const box = line.closest(".code"); box.scrollTop = line.offsetTop - box.offsetTop - box.clientHeight / 3; }
  remember();
}

// The same trial of every arm, or all trials if there is one arm.
function together(row, number) {
  const trial = index.items[number][1], same = row.items.filter((n) => index.items[n][1] === trial);
  return (same.length > 1 ? same : row.items).slice(0, 6);
}

function label(number) {
  const [arm, trial] = index.items[number], row = rowWith(number);
  const several = row.items.filter((n) => index.items[n][0] === arm).length > 1;
  return `${arm || row.kind}${several ? `, trial ${trial}` : ""}`;
}

function tab(number, shown) {
  const verdict = index.items[number][2], button = make("button", "", make("span", `v-${verdict}`, SIGNS[verdict]), ` ${label(number)}`);
  button.type = "button";
  button.setAttribute("role", "tab");
  button.setAttribute("aria-selected", String(shown.includes(number)));
  button.addEventListener("click", () => open(number));
  return button;
}

function pane(number, one) {
  const [, , verdict, , , before] = index.items[number], element = make("section", "pane");
  const title = make("h3", "", make("span", `badge v-${verdict}`, `${SIGNS[verdict]} ${verdict.replace("-", " ")}`), ` ${label(number)}`);
  if (flipped(number)) title.append(make("span", "tag", `was ${before}`));
  element.append(title, make("p", "soft", make("bdi", "", index.items[number][6])), measures(one));
  if (one.reason && !one.assertions?.some(([, passed]) => !passed)) element.append(pre(one.reason));
  if (one.assertions) element.append(checks(one.assertions));
  if (one.example) element.append(...counterexample(one.example));
  if (one.source) element.append(...kernel(one));
  else if (one.survived) element.append(heading("Mutants that survived"), ...one.survived.map(([line, change, advice]) => make("p", "", `line ${line}: ${change}${advice ? ` (${advice})` : ""}`)));
  if (one.reports) element.append(heading("Reports of the device"), ...one.reports.map(([name, text, line]) => report(name, text, line)));
  if (one.notes) element.append(heading("Notes"), make("ul", "", ...one.notes.map((note) => make("li", "", note))));
  if (one.replay) element.append(copied("Replay", one.replay), pre(one.replay));
  (one.turns ?? []).forEach(([kind, why, reply], turn) => {
    if (one.turns.length > 1) element.append(fold(`Turn ${turn + 1}: ${kind}`, false, why && pre(why), reply && pre(reply)));
  });
  if (one.reply) element.append(fold("Reply", !one.source, copied("", whole(one.reply)), pre(one.reply)));
  if (one.reasoning) element.append(fold("Reasoning", false, pre(one.reasoning)));
  if (one.prompt !== undefined) element.append(promptOf(one.prompt));
  return element;
}

const heading = (text) => make("h3", "", text);

function fold(title, opened, ...children) {
  const element = make("details", "fold", make("summary", "", title), ...children);
  element.open = opened;
  return element;
}

function promptOf(number) {
  const element = fold("Prompt", false);
  element.addEventListener("toggle", () => {
    if (element.children.length === 1) element.append(pre(prompts.prompts[number].map((piece) => prompts.pieces[piece]).join("\n\n")));
  });
  return element;
}

function cutNote(text) {
  if (!Array.isArray(text)) return null;
  const where = index.kept ? `; the whole text is among the replies in ${index.kept}` : "; the whole text is in the reply";
  return make("p", "cut", `cut here: ${text[1].toLocaleString("en")} more characters${where}`);
}

function pre(text) {
  const box = make("pre", "", whole(text)), note = cutNote(text);
  box.tabIndex = 0;
  return note ? make("div", "", box, note) : box;
}

function measures(one) {
  const [input, output] = one.tokens ?? [0, 0], [reply, build, run] = one.seconds ?? [0, 0, 0], said = [];
  if (input || output) said.push(`${input.toLocaleString("en")} + ${output.toLocaleString("en")} tokens`);
  if (one.cost) said.push(`$${one.cost.toPrecision(3)}`);
  said.push(`reply ${reply.toFixed(1)} s, build ${build.toFixed(1)} s, run ${run.toFixed(1)} s`);
  if (one.score) said.push(`${one.score[0]} of ${one.score[1]} mutants killed`);
  for (const k of one.kernels ?? []) said.push(`${k.name} on ${k.architecture}: ${k.registers} registers, ${k.shared} bytes shared`);
  return make("p", "soft measures", ...said.map((text) => make("span", "", text)));
}

function checks(assertions) {
  return make("ul", "checks", ...assertions.map(([name, passed, message]) => {
    const sign = make("b", passed ? "yes" : "", passed ? "✓ " : "✕ "), line = make("li", passed ? "" : "no", sign, passed ? name : make("b", "", name));
    if (!passed && whole(message)) { const what = make("div", "what", whole(message)); what.tabIndex = 0; line.append(what, cutNote(message) ?? ""); }
    return line;
  }));
}

function counterexample(found) {
  const facts = make("dl", "facts"), worst = found.worst;
  const fact = (name, text) => facts.append(make("dt", "", name), make("dd", "", make("bdi", "", text)));
  fact("example", found.text);
  fact("fails", found.assertion);
  for (const [name, values] of found.inputs) fact(name, whole(values));
  if (worst) {
    fact("worst", `${worst.output}[${worst.index.join(", ")}]`);
    fact("expected", worst.expected);
    fact("got", worst.got);
    if (worst.bound) fact("error", `${worst.error}, where ${worst.bound} is allowed`);
  }
  if (!found.reproducible) fact("again", "not reproducible: the same input passed when run again");
  const parts = [heading("Counterexample"), facts];
  if (worst?.around) parts.push(...heat(worst));
  return parts;
}

const LEVELS = [1, 2, 10, 100, 10000];
const level = (ratio) => (ratio === null ? 5 : LEVELS.filter((limit) => ratio > limit).length);
const times = (ratio) => (ratio === 0 ? "0" : ratio >= 1000 ? ratio.toExponential(0).replace("+", "") : String(Number(ratio.toPrecision(2))));

// Errors around the worst element, as multiples of the bound; a button shows the values instead.
function heat(worst) {
  const [[top, left], expected, got, ratios] = worst.around, outer = worst.index.slice(0, -2);
  const place = (r, c) => [...outer, ...(worst.index.length > 1 ? [top + r] : []), ...(worst.index.length ? [left + c] : [])].join(", ");
  const told = make("p", "soft", "error as a multiple of the bound: over 1 is wrong"), table = make("table", "heat");
  told.setAttribute("aria-live", "polite");
  const faces = { error: (r, c) => (ratios[r][c] !== null ? times(ratios[r][c]) : isFinite(got[r][c]) ? "≠" : got[r][c]), got: (r, c) => got[r][c], expected: (r, c) => expected[r][c] };
  const fill = (face) => {
    const tops = make("tr", "", make("td"), ...ratios[0].map((_, c) => make("th", "", String(left + c))));
    table.replaceChildren(tops, ...ratios.map((line, r) => make("tr", "", make("th", "", worst.index.length > 1 ? String(top + r) : ""), ...line.map((ratio, c) => {
      const own = worst.index.length < 2 ? r === 0 && left + c === (worst.index[0] ?? 0) : top + r === worst.index.at(-2) && left + c === worst.index.at(-1);
      const button = make("button", `h${level(ratio)}${own ? " worst" : ""}`, faces[face](r, c));
      const text = `${worst.output}[${place(r, c)}]: expected ${expected[r][c]}, got ${got[r][c]}${ratio === null ? "" : `, error ${times(ratio)} times the bound`}`;
      button.type = "button";
      button.title = text;
      button.setAttribute("aria-label", text);
      for (const event of ["focus", "click"]) button.addEventListener(event, () => { told.textContent = text; });
      return make("td", "", button);
    }))));
  };
  const choice = make("div", "buttons", ...Object.keys(faces).map((face, place) => {
    const button = make("button", "", face);
    button.type = "button";
    button.setAttribute("aria-pressed", String(place === 0));
    button.addEventListener("click", () => { for (const other of choice.children) other.setAttribute("aria-pressed", String(other === button)); fill(face); });
    return button;
  }));
  fill("error");
  return [make("div", "titled", heading(`Around ${worst.output}[${worst.index.join(", ")}]`), choice), make("div", "scroll", table), told];
}

function kernel(one) {
  const [name, start, marked, why] = one.file ?? ["kernel", 1, null, ""], box = make("div", "code"), lines = make("div", "lines");
  const noted = new Set((one.reports ?? []).map(([, , line]) => line)), skipped = one.unexecuted ?? [];
  whole(one.source).split("\n").forEach((text, place) => {
    const number = place + 1, line = make("div", "l", make("i", "", String(place + start)), make("span", "", text || " "));
    if (number === marked) line.classList.add("marked");
    if (noted.has(number)) line.classList.add("noted");
    if (skipped.some(([first, last]) => first <= number && number <= last)) { line.classList.add("skipped"); line.title = "not executed in any traced call"; }
    lines.append(line);
  });
  box.append(lines);
  box.tabIndex = 0;
  const remarks = [marked ? `line ${marked + start - 1}${why ? `, ${why}` : ""}` : "", skipped.length ? "dotted: lines not executed" : ""].filter(Boolean).join("; ");
  return [copied(name, whole(one.source), remarks), box, cutNote(one.source) ?? ""];
}

function report(name, text, line) {
  const place = line ? make("button", "", `line ${line}`) : null, element = make("p", "", place, " ", make("b", "", name), ": ", whole(text));
  if (place) {
    place.type = "button";
    place.addEventListener("click", () => element.closest(".pane").querySelector(`.code .l:nth-child(${line})`)?.scrollIntoView({ block: "center" }));
  }
  return element;
}

function copied(title, text, remark) {
  const button = make("button", "", "Copy");
  button.type = "button";
  button.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; } catch { button.textContent = "Not allowed"; }
  });
  const head = heading(title);
  if (remark) head.append(make("span", "soft", ` ${remark}`));
  return make("div", "titled", head, button);
}

// ---------------------------------------------------------------------------------------- keys, colours, start

function other(step) {
  const items = rowWith(item).items, place = items.indexOf(item);
  open(items[Math.max(0, Math.min(items.length - 1, place + step))]);
}

function toggleSide() {
  $("side").setAttribute("aria-pressed", String(!side()));
  open(item);
}

const THEMES = [["", "◐ Auto", "as the system"], ["light", "☀ Light", "light"], ["dark", "☾ Dark", "dark"]];
function theme(number) {
  const [name, text, said] = THEMES[number];
  if (name) document.documentElement.dataset.theme = name; else delete document.documentElement.dataset.theme;
  $("theme").textContent = text;
  $("theme").setAttribute("aria-label", `Colours: ${said}`);
  try { localStorage.setItem("upskill-theme", name); } catch { /* a browser may keep nothing for files */ }
}
const themed = () => THEMES.findIndex(([name]) => name === (document.documentElement.dataset.theme ?? ""));

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const typing = event.target.matches("input, select"), inside = $("detail").open;
  if (typing && event.key === "Escape") event.target.blur();
  if (typing && !(event.target.id === "q" && ["ArrowDown", "Enter"].includes(event.key))) return;
  const page = Math.max(1, Math.floor(innerHeight / height()) - 3);
  const steps = { ArrowDown: active + 1, j: active + 1, ArrowUp: active - 1, k: active - 1, Home: 0, End: found.length - 1, PageDown: active + page, PageUp: active - page };
  const scrolls = inside && event.key.length > 1 && event.key !== "ArrowLeft" && event.key !== "ArrowRight";
  const onList = document.activeElement === $("list") || document.activeElement === document.body || typing;
  if (event.key === "/" && !inside) $("q").focus();
  else if (event.key === "t") theme((themed() + 1) % THEMES.length);
  else if (event.key === "?") $("help").showModal();
  else if (inside && event.key === "c") toggleSide();
  else if (inside && !event.target.closest("pre, .code, .what") && event.key === "ArrowLeft") other(-1);
  else if (inside && !event.target.closest("pre, .code, .what") && event.key === "ArrowRight") other(1);
  else if (event.key === "Enter" && !inside && onList && found.length) { $("list").focus(); open(found[active].items[0]); }
  else if (event.key in steps && !scrolls && (inside || onList || event.key.length === 1)) {
    if (!inside) { $("list").focus({ preventScroll: true }); }
    move(typing ? active : steps[event.key]);
  } else return;
  event.preventDefault();
}

function options(name, values) {
  const counts = new Map();
  values.forEach((value) => counts.set(value, (counts.get(value) ?? 0) + 1));
  for (const value of [...counts.keys()].sort()) $(name).append(new Option(value, value));
  if (counts.size < (name === "student" || name === "skill" ? 2 : 1)) $(name).closest("label").hidden = true;
}

async function start() {
  index = await unpack("index");
  rows = index.rows;
  const order = (arm) => ["", "skill", "baseline"].indexOf(arm) + 1 || 9;
  arms = [...new Set(index.items.map((one) => one[0]))].sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1));
  if (arms.length > 1) arms = arms.filter((arm) => arm);
  options("cause", index.items.filter((one) => one[2] !== "passed").map((one) => one[3]));
  options("tag", rows.flatMap((row) => row.tags));
  options("flag", rows.flatMap((row) => row.flags));
  options("student", rows.map((row) => row.student).filter(Boolean));
  options("skill", rows.map((row) => row.skill));
  if (!index.items.some((one) => one[5])) $("show").querySelector("[value=flipped]").remove();
  $("items").style.setProperty("--arms", arms.length);
  $("head").append(...["case", "student", ...arms.map((arm) => arm || "verdict"), "why it did not pass"].map((text) => make("span", "", text)));
  for (const name of FILTERS) $(name).addEventListener("input", () => { active = 0; clearTimeout(start.timer); start.timer = setTimeout(() => { remember(); filter(); }, name === "q" ? 150 : 0); });
  $("tools").addEventListener("submit", (event) => event.preventDefault());
  $("tools").addEventListener("reset", () => setTimeout(() => { active = 0; remember(); filter(); }));
  for (const button of document.querySelectorAll("[data-name]")) button.addEventListener("click", () => { $(button.dataset.name).value = button.dataset.value; active = 0; remember(); filter(); $("items").scrollIntoView(); });
  $("list").addEventListener("click", (event) => { const row = event.target.closest("[data-row]"); if (row) { active = Number(row.dataset.row); $("list").focus({ preventScroll: true }); draw(false); open(found[active].items[0]); } });
  $("detail").addEventListener("close", () => { item = -1; remember(); });
  $("detail").addEventListener("click", (event) => { if (event.target === $("detail")) $("detail").close(); });
  $("close").addEventListener("click", () => $("detail").close());
  $("previous").addEventListener("click", () => move(active - 1));
  $("next").addEventListener("click", () => move(active + 1));
  $("side").addEventListener("click", toggleSide);
  addEventListener("scroll", () => draw(false), { passive: true });
  addEventListener("resize", () => draw(true));
  addEventListener("hashchange", recall);
  addEventListener("keydown", key);
  recall();
}

$("theme").addEventListener("click", () => theme((themed() + 1) % THEMES.length));
$("help-button").addEventListener("click", () => $("help").showModal());
try { theme(Math.max(0, THEMES.findIndex(([name]) => name === (localStorage.getItem("upskill-theme") ?? "")))); } catch { /* as the system */ }
start().then(() => { document.documentElement.dataset.ready = "yes"; }, (error) => { $("status").textContent = `The data of this page cannot be shown: ${error.message}; a browser of 2024 or later is needed.`; });
