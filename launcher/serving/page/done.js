// Shows what was done, by whom, and how many searches the answers of one text have saved.
import { element } from "./elements.js";
import { ask } from "./server.js";

const status = document.getElementById("status");
const cell = (value, name = "td") => element(name, name === "th" ? { scope: "col" } : {}, String(value));

function fill(id, heads, rows) {
  const head = element("thead", {}, element("tr", {}, ...heads.map((each) => cell(each, "th"))));
  const body = element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((each) => cell(each)))));
  document.getElementById(id).replaceChildren(head, body);
}

const share = (part, whole) => (whole ? `${part} (${((100 * part) / whole).toFixed(0)} %)` : "0");
const mean = (sum, records) => (records ? (sum / records).toFixed(1) : "0");

function row(each) {
  return [
    each.person, each.records, each.accepted, each.denied, share(each.in_first, each.accepted), share(each.moved, each.accepted),
    share(each.searched, each.accepted), mean(each.clicks, each.records), mean(each.moved, each.records), mean(each.seconds, each.records),
  ];
}

try {
  const { people, recent } = await ask("/assist/report");
  const names = ["records", "accepted", "denied", "in_first", "moved", "searched", "clicks", "seconds"];
  const all = Object.fromEntries(names.map((name) => [name, people.reduce((sum, each) => sum + each[name], 0)]));
  const heads = ["person", "records", "accepted", "denied", "in the first list", "brought up", "searched", "clicks a record", "searches saved a record", "seconds a record"];
  fill("people", heads, [...people, ...(people.length > 1 ? [{ person: "all", ...all }] : [])].map(row));
  fill("recent", ["at", "person", "id", "yes", "no", "text"], recent.map((each) => [each.at, each.person, each.id, each.labels.join(", "), each.denied.join(", "), each.text]));
  status.textContent = people.length ? "" : "Nothing has been saved yet";
} catch (error) {
  status.textContent = error.status === 401 ? "This server asks for a token: open the page to label with first" : error.message;
  status.classList.add("wrong");
}
