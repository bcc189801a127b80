// driver.mjs - one page of a real Chromium, moved by lines of JSON on standard input (tests/lib/chromium.py).
//
//     {"call": "fill", "args": ["input", "text"]}     any method of playwright's Page, its answer as JSON
//     {"call": "until", "args": ["expression"]}       waits until it is true in the page
//     {"call": "axe", "args": ["color-contrast"]}     accessibility findings, of these rules or of all
//     {"call": "problems"}                            what the console said since the last call
//     {"call": "hosts"}, {"call": "forget"}           hosts that were asked; forget them
//     {"call": "key", "args": ["Tab"]}                presses a key
//
// An answer is {"value": ...} or {"error": "..."}, one line each. It ends when its input ends.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [executablePath, userData] = process.argv.slice(2);
const context = await chromium.launchPersistentContext(userData, {
  executablePath, headless: true, chromiumSandbox: true, viewport: { width: 1280, height: 860 }, timezoneId: "UTC",
  bypassCSP: false,
});
const page = context.pages()[0] || (await context.newPage());
const patience = Number(process.env.PATIENCE_MS);
page.setDefaultTimeout(patience);

const problems = [], hosts = new Set();
page.on("console", (message) => {
  if (["error", "warning"].includes(message.type())) problems.push(`${message.type()}: ${message.text()} ${message.location().url}`);
});
page.on("pageerror", (error) => problems.push(`exception: ${error.stack || error}`));
page.on("dialog", (dialog) => { problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
page.on("request", (request) => hosts.add(new URL(request.url()).host));

const axeSource = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

// Evaluated by the debugger, so the page's own policy stands as it is for everything else.
async function axe(...rules) {
  await page.evaluate(axeSource);
  const only = rules.length ? { runOnly: rules } : {};
  const found = await page.evaluate(async (chosen) => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"], ...chosen });
    return violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 3).map((n) => `${n.html} ${n.any[0]?.message || ""}`) }));
  }, only);
  return found;
}

// Until the expression (or function of the argument) is true. Asked from here: the page's policy forbids it to poll
// with code of ours.
async function until(expression, argument) {
  const end = Date.now() + patience;
  const code = argument === undefined ? expression : `(${expression})(${JSON.stringify(argument)})`;
  while (!(await page.evaluate(code))) {
    if (Date.now() > end) throw new Error(`never true: ${code}; the page: ${(await page.innerText("body")).slice(0, 1500)}`);
    await new Promise((done) => setTimeout(done, 25));
  }
  return true;
}

const own = { axe, until, problems: () => problems.splice(0), hosts: () => [...hosts],
  forget: () => hosts.clear(), key: (name) => page.keyboard.press(name) };

for await (const line of createInterface({ input: process.stdin })) {
  const { call, args = [] } = JSON.parse(line);
  let answer;
  try {
    const value = await (own[call] ? own[call](...args) : page[call](...args));
    answer = { value: ["goto", "reload", "screenshot", "goBack"].includes(call) ? true : (value ?? null) };
  } catch (error) {
    answer = { error: String(error.message || error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await context.close();
