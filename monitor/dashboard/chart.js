// chart.js - lines over time as SVG: own code, no library. Where there was no snapshot there is no line.
import { h, svg } from "./dom.js";
import { axisTime } from "./format.js";

const HEIGHT = 150, LEFT = 44, RIGHT = 10, TOP = 10, BOTTOM = 22;

// 1, 2 or 5 times a power of ten, so that three to five steps cover the value.
function niceStep(top) {
  const power = 10 ** Math.floor(Math.log10(top / 3));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => top / step <= 5);
}

function gapAfter(points, step) {
  const spaces = points.slice(1).map((p, i) => p.t - points[i].t).sort((a, b) => a - b);
  return 3 * Math.max(step, spaces[spaces.length >> 1] || 0);
}

// Runs of neighbouring points that have a value.
function runs(points, key, gap) {
  const found = [];
  let last = null;
  for (const p of points) {
    if (p[key] === null || p[key] === undefined) continue;
    if (!last || p.t - last.t > gap) found.push([]);
    found[found.length - 1].push(p);
    last = p;
  }
  return found;
}

function timeMarks(from, to, width) {
  const span = to - from, wanted = Math.max(2, Math.floor(width / 110));
  const step = [300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800].find((s) => span / s <= wanted) || 604800;
  const zone = new Date().getTimezoneOffset() * 60, marks = [];
  for (let t = Math.ceil((from - zone) / step) * step + zone; t <= to; t += step) marks.push(t);
  return marks;
}

function summary(title, series, points, show) {
  return `${title}. ` + series.map(({ key, label }) => {
    const values = points.map((p) => p[key]).filter((v) => v !== null && v !== undefined);
    if (!values.length) return `${label}: no data`;
    return `${label}: now ${show(values[values.length - 1])}, lowest ${show(Math.min(...values))}, highest ${show(Math.max(...values))}`;
  }).join("; ");
}

// {title, series: [{key, label, tone}], history, show, showAxis?, top?, band?: [from, to, label], width}
export function chart({ title, series, history, show, showAxis = show, top, band, width }) {
  const { points, from, to, step_s } = history;
  const highest = Math.max(1, ...points.flatMap((p) => series.map(({ key }) => p[key] ?? 0)));
  const step = niceStep(top || highest * 1.08), ceiling = top || Math.ceil((highest * 1.08) / step) * step;
  const x = (t) => LEFT + ((t - from) / (to - from)) * (width - LEFT - RIGHT);
  const y = (v) => TOP + (1 - Math.min(v, ceiling) / ceiling) * (HEIGHT - TOP - BOTTOM);
  const gap = gapAfter(points, step_s), round = (n) => n.toFixed(1);
  const path = (run, key) => run.map((p, i) => `${i ? "L" : "M"}${round(x(p.t))} ${round(y(p[key]))}`).join("");
  const levels = [];
  for (let v = 0; v <= ceiling + step / 1000; v += step) levels.push(v);

  const hair = svg("line", { class: "hair", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  const last = points[points.length - 1];
  const readout = h("p", { class: "readout" });
  const tell = (p) => readout.replaceChildren(
    h("span", { class: "dim" }, !p ? "no snapshot in this time" : p === last ? "now" : axisTime(p.t, 0)),
    ...(p ? series.map(({ key, label, tone }) => h("span", {}, h("i", { class: `dot ${tone}` }), `${label} `, h("b", {}, p[key] === null ? "–" : show(p[key])))) : []));
  tell(last);

  const drawing = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": summary(title, series, points, show),
    onpointermove: (event) => {
      const box = drawing.getBoundingClientRect(), t = from + (((event.clientX - box.left) / box.width * width - LEFT) / (width - LEFT - RIGHT)) * (to - from);
      const near = points.reduce((best, p) => (!best || Math.abs(p.t - t) < Math.abs(best.t - t) ? p : best), null);
      if (!near) return;
      hair.setAttribute("x1", x(near.t)); hair.setAttribute("x2", x(near.t)); hair.setAttribute("visibility", "visible");
      tell(near);
    },
    onpointerleave: () => { hair.setAttribute("visibility", "hidden"); tell(last); } },
    band && svg("rect", { class: "band", x: LEFT, width: width - LEFT - RIGHT, y: y(band[1]), height: y(band[0]) - y(band[1]) }),
    levels.map((v) => [svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(v), y2: y(v) }),
      svg("text", { class: "axis end", x: LEFT - 6, y: y(v) + 4 }, showAxis(v))]),
    timeMarks(from, to, width).map((t) => svg("text", { class: "axis middle", x: Math.min(x(t), width - 22), y: HEIGHT - 6 }, axisTime(t, to - from))),
    series.map(({ key, tone }) => runs(points, key, gap).map((run) => [
      series.length === 1 && run.length > 1 && svg("path", { class: `area ${tone}`, d: `${path(run, key)}L${round(x(run[run.length - 1].t))} ${y(0)}L${round(x(run[0].t))} ${y(0)}Z` }),
      run.length > 1 ? svg("path", { class: `line ${tone}`, d: path(run, key) })
        : svg("circle", { class: `point ${tone}`, cx: x(run[0].t), cy: y(run[0][key]), r: 2 })])),
    hair);
  return h("figure", { class: "card chart", "data-whole": "" },
    h("figcaption", {}, h("h2", {}, title), band && h("span", { class: "dim bandnote" }, h("i", { class: "swatch" }), band[2])), readout, drawing);
}
