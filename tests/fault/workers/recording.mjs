// More handlers for the worker of clients/typescript, before which this is imported: those of tests/fault/handlers.py,
// which write when they began and how they ended.

import { openSync, writeSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { Failure, handlers } from "../../../clients/typescript/dist/handlers.js";

const journal = openSync(process.env.FAULT_JOURNAL, "a");

handlers.quick = recorded(async () => undefined);
handlers.failing = recorded(async (job) => {
  if (job.attempt <= parse(job).failures) throw new Failure("asked to fail", false);
});
handlers.slow = recorded(slow);
handlers.threaded = recorded(slow);

async function slow(job, signal) {
  await wait(1000 * parse(job).seconds, undefined, { signal });
}

function recorded(run) {
  return async (job, signal) => {
    write(job, "start");
    try {
      const output = await run(job, signal);
      write(job, "end", "ok");
      return output;
    } catch (error) {
      write(job, "end", signal.aborted ? "cancelled" : "error");
      throw error;
    }
  };
}

/** Appends a line by a single call: whoever is killed loses none. The fields are those of history.py's HandlerLine. */
function write(job, edge, outcome = "") {
  // The clock has whole milliseconds, those gone by: a start is no earlier than it was.
  const wall = (Date.now() + (edge === "start" ? 1 : 0)) / 1000;
  const [seconds, nanoseconds] = process.hrtime();
  const line = {
    line: "handler",
    edge,
    job_id: job.id,
    lease_seq: Number(job.leaseSequence),
    attempt: job.attempt,
    pid: process.pid,
    wall,
    at: seconds + nanoseconds / 1e9,
    outcome,
  };
  writeSync(journal, `${JSON.stringify(line)}\n`);
}

function parse(job) {
  return JSON.parse(Buffer.from(job.payload.bytes).toString());
}
