// graphile-worker, whose worker fetches and completes in batches.

import { Logger, makeWorkerUtils, run } from "graphile-worker";

import { main } from "./adapter.js";

const CONCURRENT_JOBS = 24;
const TUNED = {
  drain: { localQueue: { size: 2000 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
  latency: {},
};
const logger = new Logger(() => () => {});

await main({
  async install({ dsn }) {
    const utils = await makeWorkerUtils({ connectionString: dsn, logger });
    await utils.migrate();
    await utils.release();
  },

  async producer({ dsn }) {
    const utils = await makeWorkerUtils({ connectionString: dsn, logger });
    return {
      enqueue: (argument) => utils.addJob("noop", argument),
      enqueueMany: (all) => utils.addJobs(all.map((payload) => ({ identifier: "noop", payload }))),
      close: () => utils.release(),
    };
  },

  async work({ dsn, tuned_for: tunedFor }, began) {
    const worker = { connectionString: dsn, concurrentJobs: CONCURRENT_JOBS, maxPoolSize: 10, logger, ...TUNED[tunedFor] };
    const runner = await run({ preset: { worker }, taskList: { noop: async (argument) => began(argument) }, noHandleSignals: true });
    return () => runner.stop();
  },
});
