// format.js - numbers, times and URLs as people read them. Pure: value in, text out; "–" for what is unknown.

const NONE = "–";
const isKnown = (value) => value !== null && value !== undefined && value !== "";

export function count(value) {
  return isKnown(value) ? Number(value).toLocaleString("en") : NONE;
}

// Two digits that mean something: 0.42, 4.2, 42.
export function rate(value) {
  if (!isKnown(value)) return NONE;
  return value >= 10 || value === 0 ? count(Math.round(value)) : value.toFixed(value >= 1 ? 1 : 2);
}

export function ms(value) {
  if (!isKnown(value)) return NONE;
  if (value < 1000) return `${Math.round(value)} ms`;
  return value < 60000 ? `${(value / 1000).toFixed(value < 10000 ? 2 : 1)} s` : duration(value / 1000);
}

export function duration(seconds) {
  if (!isKnown(seconds)) return NONE;
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min${s % 60 ? ` ${s % 60} s` : ""}`;
  if (s < 86400) return `${Math.floor(s / 3600)} h${Math.floor((s % 3600) / 60) ? ` ${Math.floor((s % 3600) / 60)} min` : ""}`;
  return `${Math.floor(s / 86400)} d${Math.floor((s % 86400) / 3600) ? ` ${Math.floor((s % 86400) / 3600)} h` : ""}`;
}

export function bytes(value) {
  if (!isKnown(value)) return NONE;
  if (value < 1024) return `${value} B`;
  return value < 1048576 ? `${(value / 1024).toFixed(1)} KiB` : `${(value / 1048576).toFixed(1)} MiB`;
}

export function percent(value) {
  return isKnown(value) ? `${Math.round(value)} %` : NONE;
}

const two = (n) => String(n).padStart(2, "0");
const clock = (d) => `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
const day = (d) => `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;

// The reader's own time zone; the day only when it is not today.
export function time(value) {
  if (!isKnown(value)) return NONE;
  const when = new Date(value);
  return day(when) === day(new Date()) ? clock(when) : `${day(when)} ${clock(when)}`;
}

export function axisTime(seconds, span) {
  const when = new Date(seconds * 1000);
  if (span > 2 * 86400) return `${two(when.getMonth() + 1)}-${two(when.getDate())}`;
  return `${two(when.getHours())}:${two(when.getMinutes())}`;
}

// {origin, host, rest} of an address, without believing that it is one.
export function splitUrl(text) {
  const match = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)(.*)$/is.exec(text || "");
  return match ? { scheme: match[1], host: match[2], rest: match[3] } : { scheme: "", host: "", rest: text || "" };
}

// The pairs of an address's query, decoded; nothing when it cannot be read.
export function queryOf(text) {
  const from = (text || "").indexOf("?");
  return from < 0 ? [] : [...new URLSearchParams(text.slice(from + 1).split("#")[0])];
}
