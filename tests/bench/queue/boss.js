// pg-boss with jobs that do nothing: one process, LOOPS loops of fetch(BATCH) and complete.
//
//   node boss.js LOOPS BATCH JOBS       prints `ready`, begins when a line comes on stdin, prints rate=...
const { PgBoss } = require('pg-boss');

const [loops, batch, jobs] = process.argv.slice(2).map(Number);
const queue = 'noop';

async function drain(boss) {
  let done = 0;
  for (;;) {
    const fetched = await boss.fetch(queue, { batchSize: batch });
    if (!fetched || fetched.length === 0) return done;
    await boss.complete(queue, fetched.map((job) => job.id));
    done += fetched.length;
  }
}

(async () => {
  const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, max: loops + 1, supervise: false, schedule: false });
  await boss.start();
  await boss.createQueue(queue);
  await boss.deleteAllJobs(queue);
  for (let i = 0; i < jobs; i += 5000)
    await boss.insert(queue, Array.from({ length: Math.min(5000, jobs - i) }, (_, k) => ({ data: { i: i + k } })));
  console.log('ready');
  await new Promise((resolve) => process.stdin.once('data', resolve));
  const began = process.hrtime.bigint();
  const counts = await Promise.all(Array.from({ length: loops }, () => drain(boss)));
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const done = counts.reduce((a, b) => a + b, 0);
  console.log(`traces=${done} seconds=${seconds.toFixed(3)} rate=${(done / seconds).toFixed(0)}`);
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
