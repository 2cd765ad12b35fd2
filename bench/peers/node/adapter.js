// What an adapter on Node is asked and answers: node on-PEER.js VERB ORDER; it is ../python/adapter.py again.

import { renameSync, writeFileSync } from "node:fs";

const BATCH = 1000;
const CONCURRENT_BATCHES = 2;

/** Nanoseconds since the epoch, by a clock finer than Date's; a number would round them. */
export function now() {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
}

/** A job's argument, of the same length as with the other peers. */
export function argument() {
  return { sent: String(now()) };
}

/** Return what a handler calls first with its job's argument; all is reported once so many have begun. */
function recorder({ jobs, tuned_for: tunedFor, report }) {
  const waits = [];
  let first = 0n;
  let count = 0;
  return ({ sent }) => {
    if (count === 0) first = now();
    count += 1;
    if (tunedFor === "latency") waits.push(Number(now() - BigInt(sent)));
    if (count === jobs) write(report, `{"first": ${first}, "waits": ${JSON.stringify(waits)}}`);
  };
}

/** Write a report that is there whole or not at all. */
function write(report, text) {
  writeFileSync(`${report}.part`, text);
  renameSync(`${report}.part`, report);
}

/** Add jobs by calls of 1000, two at a time. */
async function bulk(producer, { jobs }) {
  let left = Math.floor(jobs / BATCH);
  const began = performance.now();
  const callUntilNoneIsLeft = async () => {
    while (left > 0) {
      left -= 1;
      await producer.enqueueMany(Array.from({ length: BATCH }, argument));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_BATCHES }, callUntilNoneIsLeft));
  return { per_second: (1000 * jobs) / (performance.now() - began) };
}

/** Add jobs one at a time at a steady pace. */
async function paced(producer, { jobs, per_second: perSecond }) {
  const began = performance.now();
  for (let number = 0; number < jobs; number += 1) {
    const pause = began + (1000 * number) / perSecond - performance.now();
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    await producer.enqueue(argument());
  }
  return { per_second: (1000 * jobs) / (performance.now() - began) };
}

/** Do what a producer does, and close it. */
async function produce(peer, order, act) {
  const producer = await peer.producer(order);
  try {
    return await act(producer, order);
  } finally {
    await producer.close();
  }
}

/**
 * Do what the command line asks; the answer is one JSON object.
 *
 * A peer has install(order); producer(order), which gives enqueue, enqueueMany and close; and work(order, began), which runs a
 * worker and gives what stops it.
 */
export async function main(peer) {
  const [verb, text] = process.argv.slice(2);
  const order = JSON.parse(text);
  const verbs = {
    install: async () => (await peer.install(order)) ?? {},
    bulk: () => produce(peer, order, bulk),
    paced: () => produce(peer, order, paced),
    work: () => workUntilTerminated(peer, order),
  };
  process.stdout.write(JSON.stringify(await verbs[verb]()));
}

async function workUntilTerminated(peer, order) {
  const terminated = new Promise((resolve) => process.once("SIGTERM", resolve));
  const stop = await peer.work(order, recorder(order));
  await terminated;
  await stop();
  return {};
}
