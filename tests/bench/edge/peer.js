// The plain way to write this edge: Node's http and pg, a pool of ten, one INSERT, then the 302.
//     node peer.js PORT        DATABASE_URL in the environment; a row as record_clicks() makes it
const http = require("http");
const { randomUUID } = require("crypto");
const { Pool } = require("pg");

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
pool.on("error", () => {});

const INSERT = {
  name: "click",
  text: `INSERT INTO active_trace_requests (request_id, offer_name, tracking_url, inbound_params, raw_query, target_country)
         VALUES ($1, $2, $3, $4, $5, 'us')`,
};

http.createServer(async (request, answer) => {
  try {
    const url = new URL(request.url, "http://edge");
    const params = Object.fromEntries(url.searchParams);
    const offer = params.offer;
    delete params.offer;
    const location = "https://track.example/click?campaign=77&" + new URLSearchParams(params);
    await pool.query({ ...INSERT, values: [randomUUID(), offer, location, JSON.stringify(params), url.search.slice(1)] });
    answer.writeHead(302, { Location: location, "Cache-Control": "no-store", "Content-Length": 0 });
  } catch {
    answer.writeHead(500, { "Content-Length": 0 });
  }
  answer.end();
}).listen(Number(process.argv[2]), "127.0.0.1", 1024);
