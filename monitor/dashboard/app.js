// app.js - signing in, which view is shown, and keeping it fresh.
//
// A view is {title, load(fields, id), render(data, fields, id)}: load asks the monitor, render makes a tree that is
// laid over what is shown (dom.js), so a refresh moves nothing under the reader's hands.
import { knock, token, Unauthorised, watch } from "./api.js";
import { h, morph } from "./dom.js";
import { home } from "./home.js";
import { traces } from "./traces.js";
import { trace } from "./trace.js";
import { offer, offers } from "./offers.js";
import { pool } from "./pool.js";
import { alerts } from "./alerts.js";

const VIEWS = { "": home, traces, trace, offers, offer, pool, alerts };
const MENU = [["", "Overview"], ["traces", "Traces"], ["offers", "Offers"], ["pool", "Pool"], ["alerts", "Alerts"]];
const BELONGS = { trace: "traces", offer: "offers" };
const REFRESH_MS = 2000; // the least time between two refreshes

const main = document.getElementById("main"), bar = document.getElementById("bar"), told = document.getElementById("told");
let watching = null, state = "signed out", shown = "", loading = 0, refreshed = 0;

// An address may have been cut or typed; what cannot be decoded stays as it is.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  return { name, view: VIEWS[name] || home, id: decoded(rest.join("/")), fields: Object.fromEntries(new URLSearchParams(query || "")) };
}

// --- the bar on top

function theme(next) {
  if (next) localStorage.setItem("tracepool.theme", next);
  const chosen = localStorage.getItem("tracepool.theme") || "auto";
  document.documentElement.dataset.theme = chosen;
  return chosen;
}

function drawBar() {
  const here = place().name, current = BELONGS[here] || here, chosen = theme();
  const next = { auto: "light", light: "dark", dark: "auto" }[chosen];
  morph(bar, h("header", { id: "bar" },
    h("a", { class: "brand", href: "#/" }, h("span", { class: "mark", "aria-hidden": "true" }), "tracepool"),
    watching && h("nav", { "aria-label": "Views" }, MENU.map(([name, text]) =>
      h("a", { href: `#/${name}`, "aria-current": name === current ? "page" : null }, text))),
    h("div", { class: "tools" },
      watching && h("span", { class: `state ${state}` }, h("i", { class: "pulse", "aria-hidden": "true" }), state === "live" ? "live" : "reconnecting…"),
      h("button", { type: "button", class: "flat", onclick: () => { theme(next); drawBar(); }, "aria-label": `Colours: ${chosen}; change to ${next}`, title: `Colours: ${chosen}` },
        { auto: "◐", light: "☀", dark: "☾" }[chosen]),
      watching && token.get() && h("button", { type: "button", class: "flat", onclick: () => signOut() }, "Sign out"))));
}

function setState(next) {
  if (next === state) return;
  if (next === "lost") told.textContent = "Connection to the monitor lost; trying again.";
  if (state === "lost" && next === "live") told.textContent = "Connection is back.";
  state = next;
  drawBar();
}

// --- signing in

function signIn(problem) {
  watching?.abort();
  watching = null;
  drawBar();
  document.title = "Sign in · tracepool";
  const input = h("input", { type: "password", name: "token", required: true, autocomplete: "current-password", "aria-describedby": "token-hint token-problem" });
  main.replaceChildren(h("form", { class: "card signin", onsubmit: async (event) => {
    event.preventDefault();
    token.set(input.value.trim());
    await enter("This token was not accepted.");
  } },
    h("h1", {}, "Sign in"),
    h("label", { class: "field" }, h("span", {}, "Token"), input),
    h("p", { class: "quiet", id: "token-hint" }, "The operator's token (api.token). It stays in this tab and is forgotten when the tab is closed."),
    h("p", { class: "problem", id: "token-problem", role: "alert" }, problem || ""),
    h("button", { type: "submit" }, "Sign in")));
  input.focus();
}

function signOut(problem) {
  token.forget();
  signIn(problem);
}

// With a token, or where the monitor asks for none; whether it does is told to everybody.
async function enter(problem) {
  try {
    if (!token.get() && (await (await fetch("/healthz", { cache: "no-store" })).json()).token) return signIn();
    await knock();
  } catch (error) {
    if (error instanceof Unauthorised) return token.get() ? signOut(problem) : signIn();
    state = "lost";
  }
  watching = new AbortController();
  setState("live");
  watch({ onChange: refresh, onState: setState, onUnauthorised: () => signOut("The token is no longer accepted."), signal: watching.signal });
  await show();
}

// --- showing

function explain(error) {
  return h("section", { class: "card" }, h("h1", {}, error.status === 404 ? "Not found" : "This could not be loaded"), h("p", {}, error.message),
    h("p", {}, h("button", { type: "button", onclick: () => show() }, "Try again")));
}

let drawing = Promise.resolve();

function draw() {
  drawing = drawOnce();
  return drawing;
}

async function drawOnce() {
  const { view, fields, id } = place(), turn = ++loading;
  let fresh;
  try {
    const data = await view.load(fields, id);
    fresh = h("div", {}, view.render(data, fields, id));
  } catch (error) {
    if (error instanceof Unauthorised) return signOut("The token is no longer accepted.");
    fresh = h("div", {}, explain(error));
  }
  if (turn !== loading || !watching) return; // another view was asked for meanwhile
  const old = main.querySelector(":scope > div[data-view]");
  fresh.dataset.view = shown;
  if (old && old.dataset.view === shown) morph(old, fresh);
  else main.replaceChildren(fresh);
}

// Another place: its name is told to those who do not see it, and reading starts at the top.
async function show() {
  if (!watching) return;
  const { name, view, id } = place(), where = `${name}/${id}`, isNew = where !== shown;
  shown = where;
  drawBar();
  document.title = `${id ? `${id.slice(0, 40)} · ` : ""}${view.title} · tracepool`;
  await draw();
  if (isNew) {
    scrollTo(0, 0);
    told.textContent = view.title;
  }
}

async function refresh() {
  const wait = refreshed + REFRESH_MS - Date.now();
  if (wait > 0) await new Promise((done) => setTimeout(done, wait));
  await drawing; // never ahead of a view that is still being loaded
  refreshed = Date.now();
  await draw();
}

let resized;
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(() => watching && draw(), 200); });
addEventListener("hashchange", () => show());
document.getElementById("skip").onclick = (event) => { event.preventDefault(); main.focus(); };
theme();
enter();
