// pool.js - the proxy IPs: who is free, who rests, who is ill.
import { call } from "./api.js";
import { h } from "./dom.js";
import { count, duration, ms, percent, time } from "./format.js";
import { badge, field, goTo, searchField, select, table } from "./parts.js";

const STATES = ["available", "locked", "cooldown", "unhealthy"];

function until(ip) {
  if (ip.state === "unhealthy") return ip.next_probe_at ? `probe ${time(ip.next_probe_at)}` : "taken out";
  return ip.for_s === null ? "–" : duration(ip.for_s);
}

function successes(ip) {
  const all = ip.success_count + ip.failure_count;
  return all ? percent((100 * ip.success_count) / all) : "–";
}

export const pool = {
  title: "Pool",
  load: (fields) => call("pool", fields),
  render(data, fields) {
    const change = (name, value) => goTo("pool", { ...fields, after: "", [name]: value });
    const total = data.countries.reduce((n, c) => n + c.total, 0);
    return [h("h1", {}, "Pool"),
      h("p", { class: "quiet" }, `${count(total)} IPs in ${data.countries.length} ${data.countries.length === 1 ? "country" : "countries"}`),
      h("form", { class: "filters card", role: "search", onsubmit: (event) => event.preventDefault() },
        field("Search", searchField("search", fields.search, "address, provider or note", (value) => change("search", value))),
        field("State", select("state", fields.state, [["", "any"], ...STATES.map((s) => [s, s])], (event) => change("state", event.target.value))),
        field("Country", select("country", fields.country, [["", "any"], ...data.countries.map((c) => [c.country, c.country])], (event) => change("country", event.target.value)))),
      h("section", { class: "card" }, table("IPs", [["IP"], ["State"], ["For", "number"], ["Country"], ["Provider"], ["Uses", "number"], ["Good", "number"], ["Failed in a row", "number"], ["Answers in", "number"], ["Last used"], ["Trace"]],
        data.ips.map((ip) => ({ key: ip.ip, cells: [h("span", { class: "breaks" }, ip.ip, h("span", { class: "dim" }, `:${ip.port}`)), badge(ip.state, ip.notes), until(ip), h("span", { class: "country" }, ip.country), ip.provider,
          count(ip.total_uses), successes(ip), count(ip.consecutive_failures), ms(ip.avg_response_time_ms), time(ip.last_used_at),
          ip.request_id ? h("a", { href: `#/trace/${ip.request_id}` }, "running") : "–"] })), "No IP fits."),
        h("p", { class: "pages" }, fields.after && h("button", { type: "button", onclick: () => history.back() }, "Back"),
          data.next && h("button", { type: "button", onclick: () => goTo("pool", { ...fields, after: data.next }) }, "More")))];
  },
};
