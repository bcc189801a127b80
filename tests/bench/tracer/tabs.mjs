// The same traces with playwright-core and the same Chromium: one browser, a context with its proxy for each trace.
//
//   node tabs.mjs WAY CHROMIUM PORT AT_ONCE TRACES URL HOPS        prints name=value pairs when all have ended
//
// WAY is how it is known that a page goes nowhere any more:
//   load       its load event: finds what redirects by itself
//   idle       waitUntil networkidle, half a second without requests: finds redirects by script as well
//   wait       no navigation for two seconds: finds late redirects too
//   clock      page.clock, moved on by eleven seconds after each load: finds late redirects without waiting for them
import { chromium } from 'playwright-core';
const [way, executablePath] = process.argv.slice(2, 4), [port, atOnce, traces] = process.argv.slice(4, 7).map(Number);
const [url, hops] = [process.argv[7], Number(process.argv[8])];
const browser = await chromium.launch({ executablePath, headless: true, chromiumSandbox: true });
const quiet = (ms) => new Promise((done) => setTimeout(done, ms));

const ways = {
  load: (page, url) => page.goto(url, { waitUntil: 'load' }),
  idle: (page, url) => page.goto(url, { waitUntil: 'networkidle' }),
  async wait(page, url, seen) {
    await page.goto(url, { waitUntil: 'load' });
    for (let left; (left = seen.last + 2000 - performance.now()) > 0;) await quiet(left);
    await page.waitForLoadState('load');
  },
  async clock(page, url, seen) {
    await page.clock.install();
    await page.goto(url, { waitUntil: 'load' });
    for (let before = 0; before !== seen.loads;) {
      before = seen.loads;
      await page.clock.fastForward(11000).catch(() => {});  // the page is on its way elsewhere
      await quiet(50);  // until its next request is told of
      await page.waitForLoadState('load');
    }
  },
};

async function trace(id) {
  const context = await browser.newContext({ proxy: { server: `http://127.0.0.1:${port}`, username: `user${id}`, password: 'secret' } });
  const page = await context.newPage();
  const chain = [], seen = { last: performance.now(), loads: 0 };
  page.on('request', (request) => {
    if (!request.isNavigationRequest() || request.frame() !== page.mainFrame()) return;
    chain.push({ url: request.url() });
    seen.last = performance.now();
  });
  page.on('response', (response) => {
    const hop = chain.findLast((one) => one.url === response.url());
    if (hop) hop.status = response.status();
  });
  page.on('load', () => seen.loads++);
  try {
    await ways[way](page, `${url}${id}?aff=1&sub=a`, seen);
  } finally {
    await context.close();
  }
  return chain;
}

async function run(count) {
  const took = [], complaints = new Set();
  let begun = 0, good = 0;
  async function slot() {
    while (begun < count) {
      const began = performance.now();
      const chain = await trace(++begun).catch((error) => { complaints.add(String(error).slice(0, 200)); return []; });
      took.push(performance.now() - began);
      good += chain.length === hops && chain[hops - 1].status === 200 ? 1 : 0;
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, slot));
  for (const text of complaints) console.error(text);
  return { good, took: took.sort((a, b) => a - b) };
}

await run(1 + Math.floor(traces / 10));  // warm, as ours
const began = performance.now();
const { good, took } = await run(traces);
const seconds = (performance.now() - began) / 1000;
console.log(`traces=${traces} good=${good} rate=${(traces / seconds).toFixed(2)} p50_ms=${took[traces >> 1].toFixed(1)} `
  + `p95_ms=${took[Math.floor(traces * 0.95)].toFixed(1)}`);
await browser.close();
