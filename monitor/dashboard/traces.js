// traces.js - the list of traces: search, filters, older pages.
import { call } from "./api.js";
import { h } from "./dom.js";
import { count } from "./format.js";
import { field, goTo, searchField, select, traceTable } from "./parts.js";

const words = (list) => list.split(" ").map((word) => [word, word.replace(/_/g, " ")]);
const FILTERS = [
  ["status", "Status", [["", "any"], ...words("pending processing completed failed timeout skipped")]],
  ["mode", "Mode", [["", "any"], ...words("http_only browser")]],
  ["outcome", "Outcome", [["", "any"], ...words("ok external_scheme timeout loop too_many_hops blocked error")]],
];

function filters(fields) {
  const change = (name, value) => goTo("traces", { ...fields, before: "", before_id: "", [name]: value });
  const text = (name, label) => field(label, searchField(name, fields[name], "any", (value) => change(name, value)));
  return h("form", { class: "filters card", role: "search", onsubmit: (event) => event.preventDefault() },
    field("Search", searchField("search", fields.search, "URL, offer, IP, error or request id", (value) => change("search", value))),
    FILTERS.map(([name, label, options]) => field(label, select(name, fields[name], options, (event) => change(name, event.target.value)))),
    text("country", "Country"), text("offer", "Offer"),
    Object.keys(fields).length > 0 && h("button", { type: "button", class: "flat", onclick: () => goTo("traces", {}) }, "Clear"));
}

function pages(data, fields) {
  const isLater = Boolean(fields.before), isFiltered = Object.keys(fields).some((name) => !name.startsWith("before"));
  return h("p", { class: "pages" },
    isLater && h("button", { type: "button", onclick: () => history.back() }, "Newer"),
    data.next && h("button", { type: "button", onclick: () => goTo("traces", { ...fields, ...data.next }) }, "Older"),
    h("span", { class: "quiet" }, isFiltered
      ? `${count(data.traces.length)} found among ${count(data.looked_at ?? 1)}${data.next ? "; older ones are a page further" : ""}` : `${count(data.traces.length)} shown`));
}

export const traces = {
  title: "Traces",
  load: (fields) => call("traces", fields),
  render(data, fields) {
    return [h("h1", {}, "Traces"), filters(fields),
      h("section", { class: "card" }, traceTable(data.traces, "No trace fits."), pages(data, fields))];
  },
};
