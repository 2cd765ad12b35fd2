// pg-boss, woken by NOTIFY, whose worker fetches in batches.

import { PgBoss } from "pg-boss";

import { main } from "./adapter.js";

const QUEUE = "bench";
const TUNED = {
  drain: { batchSize: 1000, localConcurrency: 4, burstWhenBatchFull: true },
  latency: { batchSize: 10, localConcurrency: 1, burstWhenBatchFull: true },
};

await main({
  async install({ dsn }) {
    const boss = await started(dsn, { supervise: false, schedule: false });
    await boss.createQueue(QUEUE, { notify: true });
    await boss.stop({ graceful: false });
  },

  async producer({ dsn }) {
    const boss = await started(dsn, { supervise: false, schedule: false });
    return {
      enqueue: (argument) => boss.send(QUEUE, argument),
      enqueueMany: (all) => boss.insert(QUEUE, all.map((data) => ({ data }))),
      close: () => boss.stop({ graceful: false }),
    };
  },

  async work({ dsn, tuned_for: tunedFor }, began) {
    const boss = await started(dsn, {});
    await boss.work(QUEUE, TUNED[tunedFor], async (jobs) => {
      for (const { data } of jobs) began(data);
    });
    return () => boss.stop({ graceful: false });
  },
});

async function started(dsn, options) {
  const boss = new PgBoss({ connectionString: dsn, useListenNotify: true, ...options });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  return boss;
}
