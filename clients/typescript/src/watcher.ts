// Prints what happens to the jobs of a queue, from the oldest stored event on: JOB_ID REVISION TYPE.

import { setTimeout as sleep } from "node:timers/promises";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { Backoff, codeOf, isFinal, open, queue, serverStream } from "./connection.js";
import { EventType } from "./gen/gosynq/v1/event_pb.js";
import { EventService } from "./gen/gosynq/v1/event_service_pb.js";
import type { WatchEventsResponse } from "./gen/gosynq/v1/event_service_pb.js";

const HEARTBEAT = 5_000;

const client = open();
const stopping = new AbortController();
const backoff = new Backoff();
let cursor = "";

/** Prints events until the stream ends, and keeps the cursor to go on from. */
async function watch(): Promise<void> {
  const stream = serverStream(client, EventService.method.watchEvents, {
    queues: [queue],
    heartbeatInterval: durationFromMs(HEARTBEAT),
    start: cursor ? { case: "cursor", value: cursor } : { case: "fromOldest", value: true },
  });
  const end = () => stream.cancel();
  stopping.signal.addEventListener("abort", end);
  // A stream has no deadline; instead, none of its responses may be late.
  const silence = setTimeout(end, 3 * HEARTBEAT);
  try {
    for await (const response of stream as AsyncIterable<WatchEventsResponse>) {
      silence.refresh();
      for (const { jobId, revision, type } of response.events) {
        console.log(`${jobId} ${revision} ${EventType[type]?.toLowerCase() ?? type}`);
      }
      cursor = response.cursor;
      backoff.reset();
    }
  } finally {
    clearTimeout(silence);
    stopping.signal.removeEventListener("abort", end);
  }
}

async function run(): Promise<void> {
  while (!stopping.signal.aborted) {
    try {
      await watch();
    } catch (error) {
      if (stopping.signal.aborted) return;
      if (codeOf(error) === status.OUT_OF_RANGE) throw new Error("events were missed, as they are no longer stored");
      if (isFinal(error)) throw error;
      console.error(`watcher: interrupted: ${(error as Error).message}`);
    }
    await sleep(backoff.next(), undefined, { signal: stopping.signal }).catch(() => {});
  }
}

for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopping.abort());
try {
  await run();
} catch (error) {
  console.error(`watcher: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  client.close();
}
