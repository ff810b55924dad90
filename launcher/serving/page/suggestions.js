// Shows suggestions with their bars, and what rose and fell since the last answer.
import { element } from "./elements.js";

const percent = (value) => `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;

export function titled(each) {
  if (!each.text || each.text === each.label) return element("span", { className: "name" }, each.label);
  return element("span", { className: "name" }, `${each.text} `, element("small", {}, each.label));
}

function change(move) {
  const shown = element("span", { className: "change" });
  if (!move) return shown;
  if (move.isNew) {
    shown.classList.add("rose");
    shown.append("▲ new");
  } else if (Math.abs(move.by) >= 0.0005) {
    const isUp = move.by > 0;
    shown.classList.add(isUp ? "rose" : "fell");
    shown.append(`${isUp ? "▲ +" : "▼ −"}${(100 * Math.abs(move.by)).toFixed(1)}`);
    if (move.places) shown.append(` (${move.places > 0 ? "+" : "−"}${Math.abs(move.places)})`);
    shown.title = "Percentage points, and places";
  }
  return shown;
}

function row(each, move, on) {
  const fill = element("div", { className: "fill" });
  fill.style.width = `${100 * each.probability}%`;
  const button = (word, act, key) => {
    const made = element("button", { type: "button", "aria-label": `${word}: ${each.text ?? each.label}`, "aria-keyshortcuts": key }, word);
    made.addEventListener("click", () => act(each));
    return made;
  };
  const made = element(
    "li",
    { tabIndex: -1 },
    element("div", {}, titled(each), element("div", { className: "track", "aria-hidden": "true" }, fill)),
    element("span", { className: "number" }, percent(each.probability)),
    change(move),
    element("span", { className: "choices" }, button("Yes", on.yes, "y"), button("No", on.no, "n"), button("Why", on.why, "w")),
  );
  made.dataset.label = each.label;
  return made;
}

export function showSuggestions(list, suggestions, moves, on) {
  const focused = list.contains(document.activeElement);
  const at = [...list.children].findIndex((each) => each.contains(document.activeElement));
  list.replaceChildren(...suggestions.map((each) => row(each, moves?.get(each.label), on)));
  if (focused) list.children[Math.min(Math.max(at, 0), list.children.length - 1)]?.focus();
}

// Says in words what moved most: for those who do not see the list.
export function moved(suggestions, moves) {
  if (!moves) return "";
  const name = (each) => each.text ?? each.label;
  const by = (each) => moves.get(each.label);
  const open = suggestions.filter((each) => by(each) && !by(each).isNew);
  const up = [...open].sort((a, b) => by(b).by - by(a).by)[0];
  const down = [...open].sort((a, b) => by(a).by - by(b).by)[0];
  const parts = [];
  if (up && by(up).by > 0.0005) parts.push(`${name(up)} rose by ${(100 * by(up).by).toFixed(1)} points`);
  if (down && by(down).by < -0.0005) parts.push(`${name(down)} fell by ${(-100 * by(down).by).toFixed(1)}`);
  return parts.join("; ");
}
