// driver.mjs - one page of a real Chromium, moved by lines of JSON on standard input (tests/lib/chromium.py).
//
//     {"call": "fill", "args": ["input", "text"]}     any method of playwright's Page, its answer as JSON
//     {"call": "axe" | "problems" | "hosts"}          accessibility findings; console errors; hosts that were asked
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
  if (["error", "warning"].includes(message.type())) problems.push(`${message.type()}: ${message.text()}`);
});
page.on("pageerror", (error) => problems.push(`exception: ${error.stack || error}`));
page.on("dialog", (dialog) => { problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
page.on("request", (request) => hosts.add(new URL(request.url()).host));

const axeSource = readFileSync(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

// Evaluated by the debugger, so the page's own policy stands as it is for everything else.
async function axe() {
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.slice(0, 3).map((n) => `${n.html} ${n.any[0]?.message || ""}`) }));
  });
  return found;
}

const own = { axe, problems: () => problems.splice(0), hosts: () => [...hosts] };

for await (const line of createInterface({ input: process.stdin })) {
  const { call, args = [] } = JSON.parse(line);
  let answer;
  try {
    const value = await (own[call] ? own[call](...args) : page[call](...args));
    answer = { value: ["goto", "reload", "waitForSelector", "waitForFunction", "screenshot", "goBack"].includes(call) ? true : (value ?? null) };
  } catch (error) {
    answer = { error: String(error.message || error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await context.close();
