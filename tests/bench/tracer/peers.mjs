// The same traces with undici or got: hop by hop, each recorded, through a proxy agent of the trace's own.
//
//   node peers.mjs undici|undici-tunnel|undici-client|got PORT AT_ONCE TRACES     prints name=value pairs when all have ended
import { createRequire } from 'node:module';
const [kind, port, atOnce, traces] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const proxy = `http://127.0.0.1:${port}`;
const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

// undici's own default is a tunnel, even for http; for each host it opens a connection of its own to the proxy. undici-client is
// its bare Client, told to send what a proxy wants: one connection a trace, and nothing that could reach an https target.
const kinds = {
  async undici() {
    const { request, Client, ProxyAgent } = await import('undici');
    return (id) => {
      const token = 'Basic ' + Buffer.from(`user${id}:secret`).toString('base64');
      const bare = kind === 'undici-client' && new Client(proxy);
      const dispatcher = bare || new ProxyAgent({ uri: proxy, token, proxyTunnel: kind === 'undici-tunnel' });
      return {
        async get(url, cookie) {
          const headers = { 'user-agent': 'peer/undici', accept, ...cookie };
          const answer = bare
            ? await bare.request({ method: 'GET', path: url, headers: { host: new URL(url).host, 'proxy-authorization': token, ...headers } })
            : await request(url, { dispatcher, headers });
          await answer.body.text();
          return { status: answer.statusCode, location: answer.headers.location, cookies: answer.headers['set-cookie'] };
        },
        close: () => dispatcher.close(),
      };
    };
  },
  async got() {
    const { got } = await import('got');
    const { HttpProxyAgent } = createRequire(import.meta.url)('hpagent');
    return (id) => {
      const http = new HttpProxyAgent({ keepAlive: true, proxy: `http://user${id}:secret@127.0.0.1:${port}` });
      return {
        async get(url, cookie) {
          const answer = await got(url, { agent: { http }, followRedirect: false, retry: { limit: 0 }, throwHttpErrors: false,
            headers: { 'user-agent': 'peer/got', accept, ...cookie } });
          return { status: answer.statusCode, location: answer.headers.location, cookies: answer.headers['set-cookie'] };
        },
        close: () => http.destroy(),
      };
    };
  },
};

async function trace(open, id) {
  const client = open(id);
  const hops = [], jar = new Map();  // host → cookies; a real jar would cost more
  for (let url = `http://h0.test/click/${id}?aff=1&sub=a`; url && hops.length < 20;) {
    const host = new URL(url).host;
    const { status, location, cookies } = await client.get(url, jar.has(host) ? { cookie: jar.get(host) } : {});
    if (cookies) jar.set(host, [cookies].flat().map((cookie) => cookie.split(';')[0]).join('; '));
    hops.push({ url, status });
    url = status >= 300 && status < 400 && location ? new URL(location, url).href : null;
  }
  await client.close();
  return hops;
}

async function run(open, count) {
  let begun = 0, good = 0;
  async function slot() {
    while (begun < count) {
      const hops = await trace(open, ++begun);
      good += hops.length === 6 && hops[5].status === 200 ? 1 : 0;
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, slot));
  return good;
}

const open = await kinds[kind.split('-')[0]]();
await run(open, Math.max(atOnce, traces / 10));  // compiled by now, and every slot has been used once
const began = process.hrtime.bigint(), cpu = process.cpuUsage();
const good = await run(open, traces);
const seconds = Number(process.hrtime.bigint() - began) / 1e9, used = process.cpuUsage(cpu);
console.log(`traces=${traces} good=${good} rate=${(traces / seconds).toFixed(1)} cpu_us=${((used.user + used.system) / traces).toFixed(1)} `
  + `rss_mb=${(process.resourceUsage().maxRSS / 1024).toFixed(1)}`);
process.exit(0);
