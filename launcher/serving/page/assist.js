// The page to label with: what a person does goes into the state, the state is shown and asked about.
import { element } from "./elements.js";
import { ask, Away, Problem, token } from "./server.js";
import { answer, fresh, known, movements, takeBack, undo } from "./state.js";
import { moved, showSuggestions, titled } from "./suggestions.js";

const ASKED = 60, SHOWN = 20;
const on = (id) => document.getElementById(id);
const page = Object.fromEntries(
  ["text", "status", "suggestions", "answered", "search", "found", "undo", "save", "skip", "why", "model", "help"].map((id) => [id, on(id)]),
);
let model, work = { queue: 0, saves: false }, state = fresh(), shown = [], texts = new Map(), asking, retry;
const person = () => localStorage.getItem("person") ?? "";

function say(message, isWrong = false) {
  page.status.textContent = message;
  page.status.classList.toggle("wrong", isWrong);
}

// Does something that needs the server; where it is away, says so and tries again until it is there.
async function whileAway(act, seconds = 1) {
  clearTimeout(retry);
  try {
    await act();
    return true;
  } catch (error) {
    if (error.name === "AbortError") return false;
    if (error instanceof Problem && error.status === 401) {
      on("token-form").hidden = false;
      on("token").focus();
      say("This server asks for a token", true);
    } else if (error instanceof Away) {
      say(`${error.message}; nothing is lost, trying again …`, true);
      retry = setTimeout(() => whileAway(act, Math.min(2 * seconds, 15)), 1000 * seconds);
    } else {
      say(error.message, true);
    }
    return false;
  }
}

function keep() {
  sessionStorage.setItem("state", JSON.stringify(state));
}

async function suggest(isNewText) {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  if (!state.text.trim()) return show([], null);
  const body = { texts: [state.text], ...known(state, model.most_given), top: Math.min(ASKED, model.limits.top) };
  const found = await ask("/v1/predict", body, signal);
  const closed = new Set([...state.yes, ...state.no]);
  const open = found.results[0].labels.filter((each) => !closed.has(each.label));
  open.forEach((each) => texts.set(each.label, each.text));
  if (state.first === null) state.first = open.slice(0, SHOWN).map((each) => each.label);
  state.step = found.step;
  keep();
  show(open, isNewText || !shown.length ? null : movements(shown, open));
}

function show(open, moves) {
  shown = open;
  const visible = open.slice(0, SHOWN);
  showSuggestions(page.suggestions, visible, moves, { yes: (each) => decide(each, true), no: (each) => decide(each, false), why });
  say(moved(visible, moves));
}

function showAnswered() {
  const row = (label, isTrue) => {
    const back = element("button", { type: "button", "aria-label": `Take back: ${texts.get(label) ?? label}` }, "Take back");
    back.addEventListener("click", () => change(takeBack(state, label)));
    return element("li", {}, element("span", {}, isTrue ? "Yes" : "No"), titled({ label, text: texts.get(label) }), back);
  };
  page.answered.replaceChildren(...state.yes.map((label) => row(label, true)), ...state.no.map((label) => row(label, false)));
  page.undo.disabled = !state.past.length;
}

function change(next) {
  state = next;
  page.why.hidden = true;
  keep();
  showAnswered();
  return whileAway(() => suggest(false));
}

function decide(each, isTrue, bySearch = false) {
  texts.set(each.label, each.text);
  return change(answer(state, each.label, isTrue, bySearch));
}

async function why(each) {
  const body = { text: state.text, ...known(state, model.most_given), label: each.label };
  await whileAway(async () => {
    const found = await ask("/v1/why", body);
    const most = Math.max(...found.words.map((word) => word.weight), ...found.labels.map((label) => label.weight), 1e-9);
    const parts = found.words.map(({ word, weight }) => {
      const mark = element("mark", {}, word);
      mark.style.setProperty("--weight", String(Math.max(0, (100 * weight) / most)));
      return mark;
    });
    const labels = [...found.labels].sort((a, b) => b.weight - a.weight).map((label) => `${texts.get(label.label) ?? label.label} ${((100 * label.weight) / most).toFixed(0)}`);
    page.why.replaceChildren(element("b", {}, `Why ${each.text ?? each.label}: `), ...parts.flatMap((part) => [part, " "]), labels.length ? ` — given labels: ${labels.join(", ")}` : "");
    page.why.hidden = false;
  });
}

let typing;
page.text.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    state = { ...fresh(page.text.value), began: state.began };
    showAnswered();
    whileAway(() => suggest(true));
  }, 300);
});

let looking;
page.search.addEventListener("input", () => {
  clearTimeout(looking);
  looking = setTimeout(async () => {
    const words = page.search.value;
    if (!words.trim()) return page.found.replaceChildren();
    await whileAway(async () => {
      const { labels } = await ask(`/v1/labels?limit=12&q=${encodeURIComponent(words)}`);
      if (words === page.search.value) page.found.replaceChildren(...labels.map(foundRow));
    });
  }, 80);
});

function foundRow(each) {
  const pick = element("button", { type: "button" }, titled(each));
  pick.addEventListener("click", () => {
    page.search.value = "";
    page.found.replaceChildren();
    page.search.focus();
    decide(each, true, true);
  });
  return element("li", {}, pick);
}

page.search.addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === "ArrowDown") {
    const first = page.found.querySelector("button");
    event.preventDefault();
    if (event.key === "Enter") first?.click();
    else first?.focus();
  }
});

async function load(after) {
  await whileAway(async () => {
    const address = `/assist/next?person=${encodeURIComponent(person())}${after ? `&after=${encodeURIComponent(after)}` : ""}`;
    const { record, done, total } = await ask(address);
    page.model.textContent = `${done} of ${total} done by ${person()}`;
    begin(record ? fresh(record.text, record.id, record.labels) : fresh());
    page.text.readOnly = record !== null;
    page.save.disabled = page.skip.disabled = record === null;
    if (record === null) return say("All texts of the queue are answered");
    await suggest(true);
    page.suggestions.firstElementChild?.focus();
  });
}

function begin(next) {
  state = next;
  shown = [];
  page.text.value = state.text;
  page.why.hidden = true;
  page.suggestions.replaceChildren();
  showAnswered();
  keep();
}

async function save() {
  if (!work.saves || !person()) return;
  if (!state.text.trim()) return say("There is no text", true);
  const { id, text, yes, no, searched, first, clicks, began, step } = state;
  page.save.disabled = true;
  const body = { person: person(), text: id ? "" : text, labels: yes, denied: no, searched, first: first ?? [], clicks, step: step ?? 0, seconds: (Date.now() - began) / 1000 };
  await whileAway(async () => {
    try {
      await ask("/assist/answers", id ? { ...body, id } : body);
    } catch (error) {
      if (error.kind !== "conflict") throw error;
      say(error.message, true);  // another window was faster: this one goes on, too
    }
    if (work.queue) await load(id);
    else begin(fresh());
    if (!work.queue) say("Saved");
  });
  page.save.disabled = false;
}

page.undo.addEventListener("click", () => change(undo(state)));
page.save.addEventListener("click", save);
page.skip.addEventListener("click", () => load(state.id));

function step(by) {
  const rows = [...page.suggestions.children];
  const at = rows.findIndex((each) => each.contains(document.activeElement));
  rows[at < 0 ? 0 : Math.min(Math.max(at + by, 0), rows.length - 1)]?.focus();
}

function current() {
  const row = document.activeElement?.closest?.("#suggestions > li") ?? page.suggestions.firstElementChild;
  return shown.find((each) => each.label === row?.dataset.label);
}

const keys = {
  j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
  y: () => current() && decide(current(), true), n: () => current() && decide(current(), false), w: () => current() && why(current()),
  u: () => change(undo(state)), "/": () => page.search.focus(), t: () => page.text.focus(),
  s: save, x: () => work.queue && load(state.id), "?": () => { page.help.open = !page.help.open; },
};
document.addEventListener("keydown", (event) => {
  const isTyping = ["INPUT", "TEXTAREA"].includes(event.target.tagName);
  if (event.key === "Escape" && isTyping) return event.target.blur();
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

on("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(on("token").value);
  on("token-form").hidden = true;
  start();
});
on("person-form").addEventListener("submit", (event) => {
  event.preventDefault();
  localStorage.setItem("person", on("person").value.trim());
  on("person-form").hidden = true;
  start();
});

async function start() {
  await whileAway(async () => {
    [model, work] = [await ask("/v1/model"), await ask("/assist/about")];
    say("");
    page.model.textContent = `${model.run}, step ${model.step}, ${model.labels.toLocaleString("en")} labels`;
    on("reads-no").hidden = model.reads_denied;
    page.save.hidden = !work.saves;
    page.skip.hidden = !work.queue;
    if (work.saves && !person()) {
      on("person-form").hidden = false;
      return on("person").focus();
    }
    const kept = JSON.parse(sessionStorage.getItem("state") ?? "null");
    if (kept?.text && Boolean(work.queue) === (kept.id !== null)) {
      begin(kept);
      page.text.readOnly = kept.id !== null;
      await suggest(true);
    } else if (work.queue) await load();
  });
}
await start();
