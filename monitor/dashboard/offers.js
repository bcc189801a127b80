// offers.js - the offers, and one of them: settings, how its traces end; detection.js says what the tracer found out.
import { call } from "./api.js";
import { detection } from "./detection.js";
import { h } from "./dom.js";
import { drift as driftCard } from "./drift.js";
import { count, ms, percent, time } from "./format.js";
import { address, badge, card, facts, field, goTo, searchField, table, traceTable } from "./parts.js";

export const offers = {
  title: "Offers",
  load: (fields) => call("offers", fields),
  render(data, fields) {
    return [h("h1", {}, "Offers"),
      h("form", { class: "filters card", role: "search", onsubmit: (event) => event.preventDefault() },
        field("Search", searchField("search", fields.search, "part of a name", (search) => goTo("offers", { search })))),
      h("section", { class: "card" }, table("Offers", [["Offer"], ["State"], ["Country"], ["Mode"], ["Tracking"], ["Leads to", "wide"], ["URLs", "number"], ["Changed"]],
        data.offers.map((o) => ({ key: o.offer_name, cells: [h("a", { href: `#/offer/${encodeURIComponent(o.offer_name)}` }, o.offer_name),
          o.is_active ? badge("available", "is served") : badge("skipped", "is not served"), h("span", { class: "country" }, o.target_country), o.tracer_mode.replace("_", " "), o.tracking_mode,
          o.url ? address(o.url) : "–", count(o.urls), time(o.updated_at)] })), "No offer fits."))];
  },
};

const SHOWN_ELSEWHERE = new Set(["id", "offer_name", "tracking_urls", "tracer_detection_result", "tracer_learnt", "notes", "created_at", "updated_at"]);

function settings(o) {
  const value = (v) => (v === null ? "default" : Array.isArray(v) ? v.join(", ") || "none" : String(v));
  return card("Settings", facts(Object.entries(o).filter(([name]) => !SHOWN_ELSEWHERE.has(name)).map(([name, v]) => [name.replace(/_/g, " "), value(v)])));
}

function recently(r) {
  const ended = ["completed", "failed", "timeout"].reduce((n, s) => n + (r.by_status[s] || 0), 0);
  return card("Recent traces", facts([["Traces", `${count(r.traces)} of the newest 10,000`], ["Since", time(r.since)],
    ["Completed", ended ? percent((100 * (r.by_status.completed || 0)) / ended) : "–"], ["Trace time", r.trace_ms ? `${ms(r.trace_ms[0])}, p95 ${ms(r.trace_ms[1])}` : "–"],
    ["By status", Object.entries(r.by_status).map(([s, n]) => [badge(s), ` ${count(n)} `])]]));
}

export const offer = {
  title: "Offer",
  async load(_, name) {
    const [one, recent] = await Promise.all([call("offer", { name }), call("traces", { offer: name, limit: 20 })]);
    return { ...one, traces: recent.traces };
  },
  render({ offer: o, recent, drift, traces }) {
    return [h("p", { class: "crumbs" }, h("a", { href: "#/offers" }, "Offers")),
      h("h1", {}, o.offer_name, " ", o.is_active ? null : badge("skipped", "inactive")), o.notes && h("p", {}, o.notes),
      card("Leads to", table("Tracking URLs", [["URL", "wide"], ["Weight", "number"]],
        o.tracking_urls.map((u, i) => ({ key: `url ${i}`, cells: [address(u.url), count(u.weight ?? 1)] })), o.final_url ? `Only to its final URL: ${o.final_url}` : "Nowhere.")),
      h("div", { class: "pair" }, recently(recent), detection(o, recent)),
      driftCard(drift),
      card("Where its traces ended", table("Final hosts", [["Host", "wide"], ["Traces", "number"], ["Last"]],
        recent.final_hosts.map((f) => ({ key: `host ${f.host}`, cells: [f.host || "no host", count(f.n), time(f.last_at)] })), "No trace of it ended lately.")),
      card("Newest", traceTable(traces, "No trace of it lately.")), settings(o)];
  },
};
