// drift.js - the chains of an offer: what is expected, and where traces went another way, side by side.
//
// Hosts and parameter names come from traces: they are text here, as everywhere.
import { h } from "./dom.js";
import { count, time } from "./format.js";
import { card, facts, table } from "./parts.js";

function where(e) {
  return [e.start_url || "any link", e.country ? h("span", { class: "country" }, ` ${e.country}`) : null];
}

const hops = (shape) => shape.hops || ["...", shape.final || "anywhere"];

// One chain as a list; hops that the other one has not got stand out.
function chain(title, shape, other) {
  const known = new Set(hops(other));
  return h("div", { class: "chain" }, h("h3", {}, title),
    h("ol", {}, hops(shape).map((hop) => h("li", { class: known.has(hop) ? null : "changed" }, hop))),
    h("p", { class: "quiet" }, "Parameters: ", (shape.params || []).concat(shape.carried || []).join(", ") || "none"));
}

function event(e) {
  const said = `SELECT accept_drift(${Number(e.id)})`;
  return h("article", { class: "drift", "data-key": `drift ${e.id}` },
    h("p", {}, h("span", { class: `badge ${e.state === "open" ? "bad" : "plain"}` }, e.state), " ", h("b", {}, e.differences.join("; "))),
    h("div", { class: "pair" }, chain("Expected", e.expected, e.seen), chain("Seen", e.seen, e.expected)),
    facts([["Link", where(e)], ["Traces", count(e.traces + e.others)], ["First", time(e.first_at)], ["Last", h("a", { href: `#/trace/${e.last_request_id}` }, time(e.last_at))],
      e.state === "open" ? ["If it is right so", h("code", {}, said)] : [`${e.state}`, [time(e.closed_at), e.closed_by && ` by ${e.closed_by}`]]]));
}

export function drift(d) {
  const open = d.events.filter((e) => e.state === "open").length;
  return card(open ? `Chain drift: ${open} open` : "Chain drift",
    d.events.length ? d.events.map(event) : h("p", { class: "quiet" }, "Its traces went the ways that are expected."),
    h("details", {}, h("summary", {}, "What is expected"),
      table("Expected chains", [["Link", "wide"], ["Known by"], ["Chain", "wide"], ["Parameters"]],
        d.expected.map((e) => ({ key: `expected ${e.id}`, cells: [where(e), e.source, hops(e.shape).join(" → "),
          (e.shape.params || []).concat(e.shape.carried || []).join(", ") || "none"] })),
        `Nothing yet: ${count(d.learning)} traces looked at so far.`)));
}
