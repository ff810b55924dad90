// Shows /openapi.json: what each address takes and gives, and the kinds of problems.
import { element } from "./elements.js";

const document_ = await (await fetch("/openapi.json")).json();

function shape(schema, depth = 0) {
  const space = "  ".repeat(depth + 1);
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map((each) => shape(each, depth)).join(" | ");
  if (schema.type === "array") return `[${shape(schema.items ?? {}, depth)}]`;
  if (schema.type !== "object") return [schema.type ?? "any"].flat().join(" | ");
  const required = schema.required ?? [];
  const lines = Object.entries(schema.properties ?? {}).map(([name, value]) => {
    const optional = required.includes(name) ? "" : ` (optional, ${JSON.stringify(value.default ?? null)})`;
    const note = value.description ? `  # ${value.description}` : "";
    return `${space}${name}: ${shape(value, depth + 1)}${optional}${note}`;
  });
  return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
}

function content(kind, held) {
  return Object.entries(held ?? {}).map(([type, { schema }]) =>
    element("div", {}, element("p", {}, `${kind} ${type}`), element("pre", { tabIndex: 0 }, shape(schema))),
  );
}

function operation(path, method, what) {
  const parameters = what.parameters.map((each) => `${each.name} (${each.in}, ${shape(each.schema)})`);
  return element(
    "section",
    {},
    element("h2", {}, element("code", {}, `${method.toUpperCase()} ${path}`)),
    element("p", {}, what.summary),
    ...(parameters.length ? [element("p", {}, `Parameters: ${parameters.join(", ")}`)] : []),
    ...content("Takes", what.requestBody?.content),
    ...content("Gives", what.responses["200"].content),
  );
}

const rows = document_["x-problems"].map(({ kind, status, title }) =>
  element("tr", { id: kind }, element("td", {}, String(status)), element("td", {}, kind), element("td", {}, title)),
);
const heads = ["status", "kind", "meaning"].map((name) => element("th", { scope: "col" }, name));
document.querySelector("main").replaceChildren(
  element("p", {}, document_.info.description),
  ...Object.entries(document_.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, what]) => operation(path, method, what)),
  ),
  element("h2", {}, "Problems"),
  element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)),
);
document.getElementById(location.hash.slice(1))?.scrollIntoView();
