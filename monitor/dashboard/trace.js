// trace.js - one trace: what came out, the chain as a waterfall, attempts, evidence, views of ads and what they called.
import { call, evidence } from "./api.js";
import { comparison } from "./detection.js";
import { h } from "./dom.js";
import { bytes, count, ms, time } from "./format.js";
import { address, badge, card, facts, table } from "./parts.js";
import { waterfall } from "./waterfall.js";

function outcome(t) {
  return card("What came out",
    facts([["Final URL", t.final_url ? address(t.final_url) : "–"], ["Traced URL", address(t.tracking_url)],
      t.error_message && ["Error", h("span", { class: "problem" }, t.error_message)], t.skip_reason && ["Skipped", t.skip_reason],
      ["Offer", t.offer_name ? h("a", { href: `#/offer/${encodeURIComponent(t.offer_name)}` }, t.offer_name) : "–"],
      ["Country", h("span", { class: "country" }, t.target_country)],
      ["Proxy IP", t.ip_assigned ? h("a", { href: `#/pool?search=${encodeURIComponent(t.ip_assigned)}` }, t.ip_assigned) : "–"],
      ["Mode", [t.tracer_mode_used ? t.tracer_mode_used.replace("_", " ") : "–", t.detection_reason && h("span", { class: "dim" }, ` ${t.detection_reason.replace(/_/g, " ")}`)]],
      ["Click", time(t.started_at)], ["Waited", ms(t.wait_time_ms)], ["Traced in", ms(t.trace_time_ms)], ["All in all", ms(t.total_time_ms)],
      ["Received", t.bandwidth_kb === null ? "–" : `${count(t.bandwidth_kb)} KiB`], ["Retries", `${t.retry_count} of at most ${t.max_retries}`],
      t.duplicate_of && ["Repeats", h("a", { href: `#/trace/${t.duplicate_of}` }, t.duplicate_of)], t.is_archived && ["Kept in", "the archive"]]));
}

const show = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function parameters(title, object, empty) {
  return card(title, table(title, [["Name"], ["Value", "wide"]], Object.entries(object || {}).map(([name, value]) =>
    ({ key: name, cells: [name, h("span", { class: "breaks" }, show(value))] })), empty));
}

function attempts(list) {
  return card("Attempts", table("Attempts", [["Attempt"], ["Ended"], ["Outcome"], ["Then"], ["IP"], ["Worker"], ["Error", "wide"], ["To blame"], ["Trace", "number"], ["Proxy answered", "number"]],
    list.map((a) => ({ key: `attempt ${a.attempt}`, cells: [String(a.attempt), time(a.ended_at), badge(a.outcome), badge(a.new_status), a.ip_address || "–", a.worker || "–",
      a.error ? [h("b", {}, a.error), " ", a.detail] : "–", a.blame, ms(a.trace_ms), ms(a.response_ms)] })), "No attempt has ended yet."));
}

async function save(item, id) {
  const url = URL.createObjectURL(await evidence({ id, attempt: item.attempt, kind: item.kind }));
  const ending = { har: "har", screenshot: item.content_type.split("/")[1], cookies: "json", console: "json", vast: "json" }[item.kind];
  h("a", { href: url, download: `${id}-${item.attempt}-${item.kind}.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// A screenshot is asked for once; a refresh finds it again.
const pictures = new Map();

function picture(item, id) {
  const key = `${id} ${item.attempt}`, image = h("img", { class: "screenshot", alt: "Screenshot of the last page", "data-key": key, src: pictures.get(key) });
  if (!pictures.has(key))
    evidence({ id, attempt: item.attempt, kind: item.kind }).then((blob) => {
      pictures.set(key, URL.createObjectURL(blob));
      for (const shown of document.querySelectorAll("img.screenshot")) if (shown.dataset.key === key) shown.src = pictures.get(key);
    }).catch(() => {});
  return image;
}

const place = (m) => [m.source, m.line, m.column].filter(Boolean).join(":");

const LISTS = {
  cookies: (kept) => table("Cookies", [["Cookie"], ["Value", "wide"], ["Host"], ["Path"], ["Until"], ["Flags"]], kept.map((c, i) =>
    ({ key: `cookie ${i}`, cells: [c.name, h("span", { class: "breaks" }, show(c.value)), `${c.domain}${c.host_only ? "" : " and below"}`, c.path, c.expires ? time(c.expires) : "session",
      [c.secure && "secure", c.http_only && "http only", c.same_site].filter(Boolean).join(", ") || "–"] })), "No cookie was set in the end."),
  console: (kept) => table("Console", [["Hop"], ["Kind"], ["Message", "wide"], ["Where", "wide"]], kept.map((m, i) =>
    ({ key: `message ${i}`, cells: [m.hop === null ? "–" : String(m.hop), badge(m.kind), h("span", { class: "breaks" }, m.text), place(m) || "–"] })), "No script complained."),
};

// Asked for once, like pictures.
const lists = new Map();

function listed(item, id) {
  const key = `${id} ${item.attempt} ${item.kind}`, box = h("div", { class: "kept", "data-key": key }, lists.get(key) && LISTS[item.kind](lists.get(key)));
  if (!lists.has(key))
    evidence({ id, attempt: item.attempt, kind: item.kind }).then((blob) => blob.text()).then((text) => {
      const said = JSON.parse(text);
      lists.set(key, (item.kind === "cookies" ? said.cookies : said.messages) || []);
      for (const shown of document.querySelectorAll("div.kept")) if (shown.dataset.key === key) shown.replaceChildren(LISTS[item.kind](lists.get(key)));
    }).catch(() => {});
  return box;
}

function evidences(list, id) {
  const shot = list.find((e) => e.kind === "screenshot");
  return card("Evidence", list.length ? h("ul", { class: "plainlist" }, list.map((e) => h("li", {},
    h("button", { type: "button", onclick: () => save(e, id) }, `Save ${e.kind === "har" ? "HAR" : e.kind}`), h("span", { class: "quiet" }, ` attempt ${e.attempt} · ${bytes(e.bytes)} · ${e.content_type}`, e.keep_until && [" · kept until ", time(e.keep_until)]))))
    : h("p", { class: "quiet" }, "None was kept. An offer asks for it: UPDATE offers SET evidence = '{screenshot,har,cookies,console}'."), shot && picture(shot, id),
    ["cookies", "console"].map((kind) => list.find((e) => e.kind === kind)).filter(Boolean).map((item) => listed(item, id)));
}

// What was read of a VAST document: where its wrappers led, and what is wrong or doubtful in it.
function ad(d) {
  return d && card("Ad document", facts([["VAST", d.version || "–"], ["Result", badge(d.result === "ok" ? "ok" : d.result || "failed")],
    d.error_code && ["Error code", String(d.error_code)], d.detail && ["Trouble", d.detail]]),
    d.hops.length > 0 && table("Wrappers followed", [["Wrapper"], ["URL", "wide"], ["Status", "number"], ["Ads", "number"], ["Code", "number"], ["In", "number"]],
      d.hops.map((hop, i) => ({ key: `wrapper ${i}`, cells: [String(hop.depth), [address(hop.url), hop.problem && h("small", { class: "problem under" }, hop.problem)],
        hop.status || "–", count(hop.ads), hop.code || "–", ms(hop.ms)] })), ""),
    d.lint.length > 0 && h("details", {}, h("summary", {}, `${d.lint.length} ${d.lint.length === 1 ? "finding" : "findings"} in the document`),
      table("Findings", [["Line", "number"], ["Severity"], ["Rule"], ["About", "wide"]], d.lint.map((f, i) =>
        ({ key: `finding ${i}`, cells: [f.line || "–", f.severity, f.rule, [f.about, f.what && h("small", { class: "dim under breaks" }, f.what)]] })), "")));
}

// One line for each view: the player's statistics.
function views(list) {
  return list.length > 0 && card(list.length === 1 ? "Ad view" : "Ad views", table("Ad views",
    [["Ad"], ["Creative"], ["State"], ["Mode"], ["Lasts", "number"], ["Played", "number"], ["Scheduled", "number"], ["Tracked", "number"],
      ["Failed", "number"], ["Unknown", "number"], ["Blocked", "number"], ["Skipped", "number"], ["Answers in", "number"]],
    list.map((v) => ({ key: `view ${v.ad_view_id}`, cells: [v.ad_id || "–", v.creative_id || "–", badge(v.state, v.interrupt_reason), v.mode, ms(v.duration_ms),
      v.mode === "fire" ? `${v.percent_tracked} %` : "–", ...[v.events, v.tracked, v.failed, v.unknown, v.blocked, v.skipped].map(count), ms(v.avg_response_ms)] })), ""));
}

const why = (e) => (e.state === "tracked" ? null : e.reason || e.last_error);

function events(list) {
  return list.length > 0 && card("Tracking events", table("Tracking events",
    [["Event"], ["Due", "number"], ["State"], ["URL", "wide"], ["Attempts", "number"], ["Sent"], ["Answer", "number"], ["In", "number"]],
    list.map((e) => ({ key: `event ${e.id}`, cells: [[e.event, e.is_billing && h("small", { class: "dim under" }, "billed: at most once")],
      e.at_ms === null ? "on request" : `+${(e.at_ms / 1000).toFixed(1)} s`, badge(e.state), [address(e.url || e.url_template), why(e) && h("small", { class: "problem under" }, why(e))],
      count(e.attempts), time(e.sent_at), e.http_status || "–", ms(e.avg_response_ms)] })), ""));
}

export const trace = {
  title: "Trace",
  load: (_, id) => call("trace", { id }),
  render(data, _, id) {
    const t = data.trace, chain = Array.isArray(t.redirect_chain) ? t.redirect_chain : [];
    return [h("p", { class: "crumbs" }, h("a", { href: "#/traces" }, "Traces")),
      h("h1", {}, badge(t.status), " ", h("span", { class: "id" }, t.request_id)), outcome(t),
      card(chain.length ? `Chain of ${chain.length} ${chain.length === 1 ? "hop" : "hops"}` : "Chain", chain.length ? waterfall(chain)
        : h("p", { class: "quiet" }, t.status === "skipped" ? "A skipped click is redirected and not traced." : "No hop is known yet.")),
      h("div", { class: "pair" }, parameters("Extracted parameters", t.extracted_params, "None."), parameters("Inbound parameters", t.inbound_params, "None.")),
      comparison(data.attempts), attempts(data.attempts), ad(data.document), views(data.views), events(data.events), evidences(data.evidence, id)];
  },
};
