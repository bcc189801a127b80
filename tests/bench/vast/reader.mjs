// The peer of reader.c: documents from files, read by vast-client over xmldom, as often as standard input says.
// Prints `ready`; for each line with a number of passes one line of name=value.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import readline from 'node:readline';

const require = createRequire(import.meta.url);
const { VASTParser } = require('@dailymotion/vast-client');
const { DOMParser } = require('@xmldom/xmldom');

const texts = process.argv.slice(2).map((file) => readFileSync(file, 'utf8'));

async function read(text) {
  const document = new DOMParser({ onError: () => {} }).parseFromString(text, 'text/xml');
  return (await new VASTParser().parseVAST(document)).ads.length;
}

async function passes(n) {
  let ads = 0;
  let refused = 0;
  for (let i = 0; i < n; i++) {
    for (const text of texts) {
      try {
        ads += await read(text);
      } catch {
        refused++;
      }
    }
  }
  return { ads, refused };
}

await passes(5); // until the compiler has seen enough
console.log('ready');
for await (const line of readline.createInterface({ input: process.stdin })) {
  const n = Number(line);
  const began = process.hrtime.bigint();
  const { ads, refused } = await passes(n);
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const rss = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  console.log(`docs=${n * texts.length} seconds=${seconds.toFixed(6)} ads=${ads} refused=${refused} rss_kb=${rss}`);
}
