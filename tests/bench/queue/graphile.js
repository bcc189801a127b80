// graphile-worker with tasks that do nothing, driven by tests/bench/queue/run over stdin and stdout.
//
//   node graphile.js throughput CONCURRENCY batched|unbatched JOBS
//   node graphile.js latency SAMPLES
//
// throughput: the jobs are there before the workers start; a lock on the table holds those back until a line
// comes on stdin. Prints `ready`, then rate=... when all are done. latency: one idle worker, add_job to task start.
const { run, runMigrations, Logger } = require('graphile-worker');
const { Pool } = require('pg');

const connectionString = process.env.DATABASE_URL;
const logger = new Logger(() => () => {});
const quiet = { connectionString, logger, pollInterval: 1000 };
const nanoseconds = () => process.hrtime.bigint();
const line = () => new Promise((resolve) => process.stdin.once('data', resolve));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// As its own documentation measures itself: a local queue of 500, completions collected without delay.
const batched = { localQueue: { size: 500, refetchDelay: { durationMs: 10 } }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

async function fill(pool, jobs) {
  await pool.query("SELECT graphile_worker.add_job('noop')");   // makes the task known
  await pool.query('TRUNCATE graphile_worker._private_jobs');
  for (let done = 0; done < jobs; done += 10000) {
    await pool.query(`SELECT count(*) FROM (SELECT graphile_worker.add_jobs(array_agg(row('noop', json_build_object('i', i),
      NULL, NULL, NULL, NULL, NULL, NULL)::graphile_worker.job_spec)) FROM generate_series(1, $1::int) AS i) AS added`,
    [Math.min(10000, jobs - done)]);
  }
  await pool.query('VACUUM ANALYZE graphile_worker._private_jobs');
}

async function throughput(concurrency, mode, jobs) {
  const preset = { worker: { ...quiet, concurrentJobs: concurrency, maxPoolSize: Math.min(concurrency + 1, 12),
    ...(mode === 'batched' ? batched : {}) } };
  await runMigrations({ preset });
  const pool = new Pool({ connectionString });
  await fill(pool, jobs);
  const holder = await pool.connect();
  await holder.query('BEGIN');
  await holder.query('LOCK TABLE graphile_worker._private_jobs IN EXCLUSIVE MODE');
  let done = 0;
  let finished;
  const all = new Promise((resolve) => { finished = resolve; });
  const runner = await run({ preset, noHandleSignals: true, taskList: { noop: () => { if (++done === jobs) finished(); } } });
  await pause(500);
  console.log('ready');
  await line();
  const began = nanoseconds();
  await holder.query('COMMIT');
  holder.release();
  await pool.query(`NOTIFY "jobs:insert", '{"count":100}'`);
  await all;
  const seconds = Number(nanoseconds() - began) / 1e9;
  await runner.stop();
  console.log(`traces=${jobs} seconds=${seconds.toFixed(3)} rate=${(jobs / seconds).toFixed(0)}`);
  await pool.end();
}

async function latency(samples) {
  const preset = { worker: { ...quiet, concurrentJobs: 4, maxPoolSize: 6 } };
  await runMigrations({ preset });
  const pool = new Pool({ connectionString });
  await pool.query('TRUNCATE graphile_worker._private_jobs');
  let started;
  const runner = await run({ preset, noHandleSignals: true, taskList: { noop: () => started(nanoseconds()) } });
  await pause(500);
  console.log('ready');
  await line();
  const took = [];
  for (let i = 0; i < samples; i++) {
    const start = new Promise((resolve) => { started = resolve; });
    const from = nanoseconds();
    await pool.query("SELECT graphile_worker.add_job('noop')");
    took.push(Number(await start - from) / 1e6);
    await pause(5);
  }
  took.sort((a, b) => a - b);
  console.log(`p50_ms=${took[samples >> 1].toFixed(3)} p99_ms=${took[Math.floor(samples * 0.99)].toFixed(3)}`);
  await runner.stop();
  await pool.end();
}

const [what, ...rest] = process.argv.slice(2);
const work = what === 'latency' ? latency(+rest[0]) : throughput(+rest[0], rest[1], +rest[2]);
work.then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
