// parts.js - the small pieces that several views share.
import { h } from "./dom.js";
import { ms, splitUrl, time } from "./format.js";

const TONES = {
  completed: "good", available: "good", ok: "good", tracked: "good", live: "good", kept: "good", resolved: "good", complete: "good",
  pending: "plain", skipped: "plain", waiting: "plain", external_scheme: "good",
  processing: "busy", locked: "busy", sending: "busy", playing: "busy",
  timeout: "warn", cooldown: "warn", unknown: "warn", expired: "warn", blocked: "warn", interrupted: "warn", outside: "warn",
  agreed: "good", different: "warn", browser: "busy",
  failed: "bad", unhealthy: "bad", error: "bad", loop: "bad", too_many_hops: "bad", firing: "bad", gone: "bad",
};

export function badge(word, title) {
  return h("span", { class: `badge ${TONES[word] || "plain"}`, title }, word);
}

// An address as text, its host made strong; never a link: following it would be a click.
export function address(text, className = "") {
  const { scheme, host, rest } = splitUrl(text);
  return h("span", { class: `url ${className}`, title: text }, h("span", { class: "dim" }, scheme), h("b", {}, host), rest);
}

export function card(title, ...content) {
  return h("section", { class: "card" }, h("h2", {}, title), content);
}

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

// columns: [title or {unseen: title}, className?]; rows: {key, cells}. The first cell heads its row. Scrolls sideways
// on its own. The roles say what it is where the style sheet stacks its cells, on a phone.
export function table(caption, columns, rows, empty, kind) {
  if (!rows.length) return h("p", { class: "quiet" }, empty);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { role: "table", class: kind },
      h("caption", { class: "unseen" }, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map(([title, look]) =>
        h("th", { scope: "col", role: "columnheader", class: look }, title.unseen ? h("span", { class: "unseen" }, title.unseen) : title)))),
      h("tbody", { role: "rowgroup" }, rows.map(({ key, cells }) => h("tr", { role: "row", "data-key": key }, cells.map((cell, i) =>
        h(i ? "td" : "th", i ? { role: "cell", class: columns[i][1] } : { scope: "row", role: "rowheader", class: columns[i][1] }, cell)))))));
}

export function traceTable(traces, empty) {
  return table("Traces", [["Click"], ["Status"], ["Offer"], ["From and to", "wide"], ["Country"], ["Mode", "spare"], ["Waited", "number spare"], ["Traced", "number"]],
    traces.map((t) => ({ key: t.request_id, cells: [
      h("a", { href: `#/trace/${t.request_id}`, title: t.request_id }, time(t.started_at)),
      [badge(t.status, t.skip_reason), t.error && h("small", { class: "dim under" }, t.error)],
      t.offer ? h("a", { href: `#/offer/${encodeURIComponent(t.offer)}` }, t.offer) : "–",
      h("div", { class: "fromto" }, address(t.tracking_url), t.final_url && t.final_url !== t.tracking_url && address(t.final_url, "to")),
      h("span", { class: "country" }, t.country),
      t.mode ? t.mode.replace("_", " ") : "–", ms(t.wait_ms), ms(t.trace_ms)] })), empty, "stacks");
}

export function field(label, control) {
  return h("label", { class: "field" }, h("span", {}, label), control);
}

export function select(name, value, options, onchange) {
  return h("select", { name, onchange }, options.map(([v, text]) => h("option", { value: v, selected: v === (value || "") }, text)));
}

// Goes to the same view with some fields changed; empty ones leave the address.
export function goTo(view, fields) {
  const query = new URLSearchParams(Object.entries(fields).filter(([, value]) => value));
  location.hash = `#/${view}${query.size ? `?${query}` : ""}`;
}

const timers = new WeakMap();

// A field that follows what is typed, a moment later; not when the reader has gone elsewhere meanwhile.
export function searchField(name, value, hint, onSearch) {
  return h("input", { type: "search", name, value: value || "", placeholder: hint, autocomplete: "off", spellcheck: "false", maxlength: 200,
    oninput: ({ target }) => {
      clearTimeout(timers.get(target));
      timers.set(target, setTimeout(() => target.isConnected && onSearch(target.value.trim()), 250));
    } });
}
