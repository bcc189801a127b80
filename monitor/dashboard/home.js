// home.js - the first page: is it well, how fast is it, what is running.
import { call } from "./api.js";
import { chart } from "./chart.js";
import { h } from "./dom.js";
import { count, duration, ms, percent, rate } from "./format.js";
import { badge, card, goTo, table, traceTable } from "./parts.js";

const SPANS = [["3600", "1 h"], ["86400", "24 h"], ["604800", "7 d"]];
const TARGET = [60, 80]; // utilisation that the pool is sized for, per cent

function tile(name, value, note, extra) {
  return h("div", { class: "tile" }, h("h2", {}, name), h("p", { class: "value" }, value), extra, h("p", { class: "quiet" }, note));
}

function gauge(value) {
  return h("div", { class: "gauge", "aria-hidden": "true" },
    h("span", { class: `fill ${value > TARGET[1] ? "bad" : "good"}`, css: { width: `${Math.min(value, 100)}%` } }),
    h("span", { class: "target", css: { left: `${TARGET[0]}%`, width: `${TARGET[1] - TARGET[0]}%` } }));
}

const sum = (summary, key) => Object.values(summary).reduce((total, c) => total + c[key], 0);

function tiles(o) {
  const { health, performance, pool_summary, active_requests } = o.status, total = sum(pool_summary, "total");
  const oldest = Math.max(0, ...Object.values(o.queue_age_s));
  const [half, most, worst] = o.traces.trace_ms || [], waits = o.traces.wait_ms || [];
  return h("div", { class: "tiles" },
    tile("Pool in use", percent(health.pool_utilization_percent), `${count(sum(pool_summary, "locked") + sum(pool_summary, "cooldown"))} of ${count(total)} IPs · target 60–80 %`, gauge(health.pool_utilization_percent)),
    tile("Queue", count(health.queue_depth), oldest ? `waiting · oldest due for ${duration(oldest)}` : "waiting · none overdue"),
    tile("Clicks", `${rate(o.clicks.last_minute / 60)}/s`, `${count(o.clicks.last_minute)} in the last minute${o.clicks.skipped ? ` · ${count(o.clicks.skipped)} skipped` : ""}`),
    tile("Traces", `${rate(o.traces.last_minute)}/min`, `pool allows ${rate(o.promises.throughput.ceiling_per_minute)}/min · ${count(active_requests.processing)} running`),
    tile("Success", percent(health.success_rate_5min), `${count(performance.completed_last_5min)} completed in 5 min${o.traces.retries ? ` · ${count(o.traces.retries)} retried` : ""}`),
    tile("Trace time", ms(half), `p95 ${ms(most)} · p99 ${ms(worst)} · 5 min`),
    tile("Wait for an IP", ms(waits[0]), `p95 ${ms(waits[1])} · p99 ${ms(waits[2])} · 5 min`),
    tile("HTTP only", percent(o.promises.http_only.percent), `of ${count(o.promises.http_only.traces)} traces in mode auto · 80 % expected`));
}

function health(o) {
  const firing = o.alerts.filter((a) => a.state === "firing");
  const lines = [...new Set([...firing.map((a) => a.message || a.rule), ...o.status.warnings])];
  if (!lines.length) return h("p", { class: "banner good" }, h("b", {}, o.status.recommendation));
  return h("div", { class: "banner bad" }, h("div", {}, h("b", {}, lines.length === 1 ? "One warning" : `${lines.length} warnings`), " ", h("a", { href: "#/alerts" }, "Alerts")),
    h("ul", {}, lines.map((line) => h("li", {}, line))), h("p", {}, o.status.recommendation));
}

// [what, now, promised, whether it is kept; null: nothing to judge by]
function promiseRows({ edge, http_only, utilization, throughput }) {
  const within = (over) => (over === null || over === undefined ? "–" : `${(100 - over).toFixed(over > 0 && over < 1 ? 3 : 1)} %`);
  const kept = (value, is) => (value === null || value === undefined ? null : is(value));
  const peak = utilization.peak_of_day;
  return [
    ["Clicks answered within 200 ms", within(edge.over_200ms_percent), "all but a few", kept(edge.over_200ms_percent, (v) => v <= 1)],
    ["Clicks answered within 500 ms", within(edge.over_500ms_percent), "99.9 %", kept(edge.over_500ms_percent, (v) => v <= 0.1)],
    ["Mode auto without a browser", percent(http_only.percent), `${http_only.expected_percent} %`, kept(http_only.percent, (v) => v >= http_only.expected_percent)],
    ["Pool in use, peak of the day", percent(peak.percent), `${utilization.low_percent} to ${utilization.high_percent} %`,
      kept(peak.percent, (v) => v >= utilization.low_percent && v <= utilization.high_percent)],
    ["Traces a minute", rate(throughput.per_minute), `up to ${rate(throughput.ceiling_per_minute)}, what the pool allows`, null]];
}

function promises(o) {
  const word = (kept) => (kept === null ? "–" : badge(kept ? "kept" : "outside"));
  return card("Promises, 5 minutes", table("Promises", [["Promise"], ["Now", "number"], ["Promised"], ["State"]],
    promiseRows(o.promises).map(([what, now, promised, kept]) => ({ key: what, cells: [what, now, promised, word(kept)] })), ""));
}

const share = { unseen: "Share" }; // a drawing's column: its title is for those who do not see it
const STATES = [["available", "good"], ["locked", "busy"], ["cooldown", "warn"], ["unhealthy", "bad"]];

function stack(counts) {
  return h("div", { class: "stack", "aria-hidden": "true" }, STATES.map(([name, tone]) =>
    counts[name] > 0 && h("span", { class: tone, css: { "flex-grow": counts[name] } })));
}

function countries(o) {
  const names = [...new Set([...Object.keys(o.status.pool_summary), ...Object.keys(o.status.active_requests.by_country)])].sort();
  return card("Pool by country",
    h("p", { class: "legend" }, STATES.map(([name, tone]) => h("span", {}, h("i", { class: `dot ${tone}` }), name))),
    table("Pool by country", [["Country"], [share, "wide"], ...STATES.map(([name]) => [name, "number"]), ["In use", "number"], ["Requests", "number"], ["Oldest due", "number"]],
      names.map((name) => {
        const c = o.status.pool_summary[name], age = o.queue_age_s[name];
        return { key: name, cells: [h("a", { class: "country", href: `#/pool?country=${encodeURIComponent(name)}` }, name),
          c ? stack(c) : h("span", { class: "problem" }, "no IP"), ...STATES.map(([key]) => (c ? count(c[key]) : "–")),
          c ? percent((100 * (c.locked + c.cooldown)) / c.total) : "–", count(o.status.active_requests.by_country[name] || 0), age === undefined ? "–" : duration(age)] };
      }), "The pool is empty: add rows to ip_rotation_pool."));
}

function ends(o) {
  const all = o.ends.reduce((total, e) => total + e.traces, 0);
  return card("How traces ended, 5 minutes",
    table("How traces ended", [["Outcome"], ["Mode"], [share, "wide"], ["Traces", "number"], ["Per second", "number"]],
      o.ends.map((e) => ({ key: `${e.mode} ${e.outcome} ${e.status}`, cells: [badge(e.outcome), e.mode.replace("_", " "),
        h("div", { class: "bar", "aria-hidden": "true" }, h("span", { class: e.status === "completed" ? "good" : "bad", css: { width: `${(100 * e.traces) / all}%` } })),
        count(e.traces), rate(e.traces / 300)] })), "No trace has ended in the last five minutes."));
}

function processes(o) {
  return card("Processes",
    table("Processes", [["Program"], ["State"], ["Host"], ["Process", "number"], ["Version"], ["Up", "number"], ["Last sign", "number"], ["Spool", "number"]],
      o.processes.map((p) => ({ key: p.incarnation, cells: [p.program, badge(p.is_live ? "live" : "gone"), p.host, String(p.pid), p.version || "–",
        duration((new Date(o.now) - new Date(p.started_at)) / 1000), `${duration(p.seen_s_ago)} ago`,
        p.program === "edge" ? (p.spool_age_s === null ? "empty" : duration(p.spool_age_s)) : "–"] })), "No process has been heard of within an hour."));
}

function charts(history, span) {
  const columns = innerWidth >= 900 ? 2 : 1, width = Math.max(280, Math.floor((Math.min(innerWidth, 1320) - 40 - (columns - 1) * 16) / columns) - 34);
  const draw = (more) => chart({ history, width, show: count, ...more });
  return [
    h("div", { class: "headline" }, h("h2", {}, "Over time"), h("div", { class: "choice", role: "group", "aria-label": "Time shown" }, SPANS.map(([value, text]) =>
      h("button", { type: "button", "aria-pressed": String(value === span), onclick: () => goTo("", { span: value === "3600" ? "" : value }) }, text)))),
    h("div", { class: "charts" },
      draw({ title: "Pool in use", top: 100, show: percent, band: [...TARGET, "target 60–80 %"], series: [{ key: "utilization", label: "in use", tone: "busy" }] }),
      draw({ title: "Clicks a second", show: rate, series: [{ key: "clicks", label: "clicks", tone: "busy" }, { key: "skipped", label: "skipped", tone: "warn" }] }),
      draw({ title: "Traces a second", show: rate, series: [{ key: "http_only", label: "HTTP only", tone: "good" }, { key: "browser", label: "browser", tone: "busy" }, { key: "failed", label: "failed", tone: "bad" }] }),
      draw({ title: "Queue", series: [{ key: "queued", label: "waiting", tone: "warn" }] }),
      draw({ title: "Time, average of 5 minutes", show: ms, showAxis: (v) => `${v / 1000} s`, series: [{ key: "trace_ms", label: "trace", tone: "busy" }, { key: "wait_ms", label: "wait", tone: "warn" }] }),
      draw({ title: "Clicks answered late", show: (v) => `${rate(v)} %`, series: [{ key: "over_200ms", label: "over 200 ms", tone: "warn" }, { key: "over_500ms", label: "over 500 ms", tone: "bad" }] }))];
}

export const home = {
  title: "Overview",
  async load(fields) {
    const [overview, history, recent] = await Promise.all([
      call("overview"), call("history", { span: fields.span || "3600" }), call("traces", { limit: 10 })]);
    return { overview, history, recent };
  },
  render({ overview, history, recent }, fields) {
    return [h("h1", {}, "Overview"), health(overview), tiles(overview), charts(history, fields.span || "3600"),
      countries(overview), h("div", { class: "pair" }, promises(overview), ends(overview)), processes(overview),
      card("Newest clicks", traceTable(recent.traces, "No click has come yet."), h("p", {}, h("a", { href: "#/traces" }, "All traces")))];
  },
};
