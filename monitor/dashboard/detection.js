// detection.js - what mode auto found out: about an offer (tracer_detection_result), and of one trace whose modes were
// compared. Leaves counting and learning to the database (learn_from_traces).
import { h } from "./dom.js";
import { count, ms, percent, time } from "./format.js";
import { address, badge, card, facts, table } from "./parts.js";

const WHY = { missed: "a page sent the browser on", served: "the server answered the second visit differently", short: "HTTP went further" };
const LEARNT = { learnt_missed: "HTTP missed what browsers found on samples", learnt_needed: "each page of late needed one" };
const PARTS = { final_host: "final host", final_url: "final URL", params: "parameters", hosts: "hosts on the way", status: "status" };

const words = (name) => name.replace(/_/g, " ");
const share = (part, whole) => (whole ? `${percent((100 * part) / whole)} of ${count(whole)}` : "none yet");

function summary(r) {
  const traces = (r.traces?.http_only || 0) + (r.traces?.browser || 0), samples = r.samples?.traces || 0;
  return facts([["Traces in mode auto", `${count(traces)} since ${time(r.since)}`], ["HTTP alone was enough", share(r.traces?.http_only || 0, traces)],
    ["Average time", `HTTP ${ms(r.http_ms?.average)}, browser ${ms(r.browser_ms?.average)}`],
    ["Samples where both agreed", share(r.samples?.agreed || 0, samples)],
    ["Pages that asked for a browser needed it", share(r.browser?.needed || 0, r.browser?.compared || 0)],
    ["Goes first", r.learnt ? [badge("browser", r.learnt.reason), ` ${LEARNT[r.learnt.reason] || words(r.learnt.reason)}; until ${time(r.learnt.until)}`] : "HTTP"]]);
}

function disagreements(list) {
  return list.length > 0 && [h("h3", {}, "Samples that differed"),
    table("Samples that differed", [["When"], ["Because"], ["HTTP ended at", "wide"], ["The browser at", "wide"]],
      list.map((d) => ({ key: d.request_id, cells: [h("a", { href: `#/trace/${d.request_id}` }, time(d.at)), WHY[d.difference] || d.difference, address(d.http), address(d.browser)] })), "")];
}

// The offer's card: what was kept since it was first traced, and which mode its recent traces took.
export function detection(o, recent) {
  const r = o.tracer_detection_result;
  return card("What the tracer found out", r?.version === 1 && [summary(r), disagreements(r.disagreements || [])],
    table("Why which mode was used", [["Mode"], ["Because of", "wide"], ["Traces", "number"]],
      recent.by_mode.map((m) => ({ key: `${m.mode} ${m.reason}`, cells: [words(m.mode), m.reason ? words(m.reason) : "asked for", count(m.n)] })), "Nothing was traced lately."),
    r && h("details", {}, h("summary", {}, "Kept with the offer"), h("pre", {}, JSON.stringify(r, null, 2))));
}

// A trace's card; nothing when not both modes ran.
export function comparison(attempts) {
  const a = attempts.findLast((one) => one.compared);
  return a && card("Both modes ran", facts([["They found", a.compared.agreed ? badge("agreed", "the same") : [badge("different"), ` ${WHY[a.compared.difference] || ""}`]],
    ["HTTP took", ms(a.http_ms)], ["The browser took", ms(a.browser_ms)],
    !a.compared.agreed && ["They differ in", Object.keys(PARTS).filter((name) => a.compared[name] === false).map((name) => PARTS[name]).join(", ")],
    !a.compared.agreed && ["HTTP ended at", address(a.compared.http)], !a.compared.agreed && ["The browser at", address(a.compared.browser)]]));
}
