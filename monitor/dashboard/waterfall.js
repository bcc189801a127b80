// waterfall.js - a chain of hops: when each began, what took its time, what it added.
import { h } from "./dom.js";
import { bytes, ms, queryOf } from "./format.js";
import { address, facts } from "./parts.js";

const PHASES = [["dns", "DNS"], ["connect", "connect"], ["tls", "TLS"], ["wait", "first byte"], ["load", "download"]];

// Lengths of a hop's phases; its timing says when each phase ended, since the hop's own start.
function phases(timing) {
  const marks = [["dns", timing?.dns], ["connect", timing?.connect], ["tls", timing?.tls], ["wait", timing?.first_byte], ["load", timing?.total]];
  let before = 0;
  return marks.filter(([, end]) => end !== null && end !== undefined).map(([name, end]) => {
    const length = Math.max(0, end - before);
    before = Math.max(before, end);
    return { name, length };
  });
}

// Where each hop stands in the whole; what does not say when it began, began when the one before ended.
function placed(chain) {
  let end = 0;
  return chain.map((hop, i) => {
    const start = hop.started_ms ?? end, parts = phases(hop.timing_ms), length = parts.reduce((total, p) => total + p.length, 0);
    end = start + length;
    return { hop, i, start, length, parts, end };
  });
}

// Names and values that this hop's address has and no earlier one had.
export function added(chain, i) {
  const before = new Map(chain.slice(0, i).flatMap((hop) => queryOf(hop.url)));
  return queryOf(chain[i].url).filter(([name, value]) => before.get(name) !== value)
    .map(([name, value]) => ({ name, value, isChanged: before.has(name) }));
}

function bar(row, whole) {
  const at = (value) => `${(100 * value) / whole}%`;
  return h("div", { class: "track", title: row.parts.map((p) => `${p.name} ${ms(p.length)}`).join(", ") },
    row.length > 0 ? h("div", { class: "span", css: { left: at(row.start), width: at(row.length) } },
      row.parts.map((p) => p.length > 0 && h("span", { class: `phase ${p.name}`, css: { "flex-grow": p.length } })))
      : h("div", { class: "span none", css: { left: at(Math.min(row.start, whole)) } }));
}

function params(list) {
  return list.length > 0 && h("ul", { class: "params", "aria-label": "Parameters added" }, list.map(({ name, value, isChanged }) =>
    h("li", { class: isChanged ? "changed" : null, title: isChanged ? "had another value before" : null }, h("b", {}, name), `=${value}`)));
}

function evidence(hop, parts) {
  const tls = hop.tls;
  return h("details", {}, h("summary", {}, "Details"),
    facts([["Method", hop.method || "–"], ["Answered by", hop.remote_address || "–"], ["HTTP", hop.http_version || "–"], ["Type", hop.content_type || "–"],
      ["Received", `${bytes(hop.header_bytes)} head, ${bytes(hop.body_bytes)} body`],
      ["Phases", parts.length ? parts.map((p) => `${PHASES.find(([n]) => n === p.name)[1]} ${ms(p.length)}`).join(" · ") : "–"],
      hop.cookies_set?.length > 0 && ["Cookies set", hop.cookies_set.join(", ")],
      tls && ["TLS", [tls.version, tls.alpn, tls.subject && `subject ${tls.subject}`, tls.issuer && `issuer ${tls.issuer}`, tls.not_before && `from ${tls.not_before}`, tls.not_after && `until ${tls.not_after}`,
        tls.names?.length > 0 && `for ${tls.names.join(", ")}${tls.names_total > tls.names.length ? ` and ${tls.names_total - tls.names.length} more` : ""}`, tls.error].filter(Boolean).join(" · ")]]),
    hop.headers?.length > 0 && h("dl", { class: "headers" }, hop.headers.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))));
}

const tone = (status) => (!status ? "plain" : status < 300 ? "good" : status < 400 ? "busy" : "bad");

function line(row, chain, whole) {
  const { hop, i } = row;
  return h("li", { class: "hop", "data-key": `hop-${i}` },
    h("div", { class: "hophead" }, h("span", { class: "index" }, String(i + 1)),
      h("span", { class: `badge ${tone(hop.status)}` }, hop.status ? String(hop.status) : "no answer"), h("span", { class: "via" }, (hop.via || "").replace(/_/g, " ")), address(hop.url)),
    h("div", { class: "hopbar" }, bar(row, whole), h("span", { class: "took" }, row.length ? ms(row.length) : "–")),
    params(added(chain, i)),
    hop.notes?.length > 0 && h("ul", { class: "notes" }, hop.notes.map((note) => h("li", {}, note))),
    evidence(hop, row.parts));
}

export function waterfall(chain) {
  const rows = placed(chain), whole = Math.max(1, ...rows.map((row) => row.end));
  return [h("p", { class: "legend" }, PHASES.map(([name, text]) => h("span", {}, h("i", { class: `phase dot ${name}` }), text))),
    h("ol", { class: "waterfall" }, rows.map((row) => line(row, chain, whole))),
    h("p", { class: "scale", "aria-hidden": "true" }, [0, 0.25, 0.5, 0.75, 1].map((part) => h("span", {}, ms(whole * part))))];
}
