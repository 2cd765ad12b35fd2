// Runs jobs of a queue, which it takes over the Work stream.

import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { Stop, failed, keyOf, perform, refOf } from "./attempts.js";
import type { Attempt, LeaseRef } from "./attempts.js";
import { Backoff, bidiStream, isFinal, open, queue } from "./connection.js";
import { LeaseState, ResultStatus } from "./gen/gosynq/v1/worker_pb.js";
import type { JobResultAck, Lease, LeaseStatus } from "./gen/gosynq/v1/worker_pb.js";
import { WorkRequestSchema, WorkerService } from "./gen/gosynq/v1/worker_service_pb.js";
import type { WorkRequest, WorkResponse, WorkerWelcome } from "./gen/gosynq/v1/worker_service_pb.js";
import { Failure, handlers } from "./handlers.js";

const MAX_IN_FLIGHT = 10;
const WELCOME_WITHIN = 5_000;
const GRACE = 25_000; // how long attempts may go on at a stop; then they are given back
const SETTLING = 5_000; // and how long their results may take

type Message = MessageInitShape<typeof WorkRequestSchema>["message"];

/** One Work stream: what is sent on it after its end, or after the worker left, is left to the next one. */
class Session {
  readonly stream: ClientDuplexStream<WorkRequest, WorkResponse>;
  interval = 0;
  #closed = false;
  #beats?: NodeJS.Timeout;
  #sequence = 0n;

  constructor(
    client: ReturnType<typeof open>,
    readonly held: () => LeaseRef[],
  ) {
    this.stream = bidiStream(client, WorkerService.method.work);
    // Who reads the stream hears of its error; one of a write at that very moment has nobody else to hear it.
    this.stream.on("error", () => {});
  }

  send(message: Message): void {
    if (!this.#closed) this.stream.write(create(WorkRequestSchema, { message }));
  }

  /** Sends heartbeats this often, or more often for a job whose lease is shorter than its queue's. */
  beatWithin(milliseconds: number): void {
    if (this.interval && this.interval <= milliseconds) return;
    this.interval = milliseconds;
    clearInterval(this.#beats);
    this.#beats = setInterval(() => this.beat(), milliseconds);
  }

  beat(): void {
    this.send({ case: "heartbeat", value: { sequence: ++this.#sequence, leases: this.held() } });
  }

  /** Closes this side; the server ends the stream when it has acknowledged everything. */
  leave(): void {
    if (!this.#closed) this.stream.end();
    this.#closed = true;
  }

  ended(): void {
    this.#closed = true;
    clearInterval(this.#beats);
    this.stream.cancel();
  }
}

/** Keeps its attempts over all streams. */
class Worker {
  readonly #client = open();
  readonly #id = process.env.GOSYNQ_WORKER_ID || `node-${process.pid}-${randomBytes(4).toString("hex")}`;
  readonly #attempts = new Map<string, Attempt>();
  #session?: Session;
  #unsent: Attempt[] = [];
  #stopping = new AbortController();
  #gaveUp = false;
  /** The least that a lease ever took by two clocks: by how much they differ. */
  #skew = 0;

  /** Goes from stream to stream until it is told to stop and has ended what it holds. */
  async run(): Promise<void> {
    const backoff = new Backoff();
    while (!this.#gaveUp && (!this.#stopping.signal.aborted || this.#attempts.size > 0)) {
      const begun = Date.now();
      try {
        await this.#work();
      } catch (error) {
        if (isFinal(error)) throw error;
        console.error(`worker: no stream to a server: ${(error as Error).message}`);
      }
      // Streams that end well, and at once, are begun no faster than those that fail.
      if (Date.now() - begun > 5_000) backoff.reset();
      // Told to stop, a worker that holds nothing need not connect once more.
      const signal = this.#attempts.size > 0 ? undefined : this.#stopping.signal;
      await sleep(backoff.next(), undefined, { signal }).catch(() => {});
    }
    this.#client.close();
    if (this.#gaveUp) throw new Error(`stopped with ${this.#attempts.size} results that no server acknowledged`);
  }

  stop(): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    this.#session?.send({ case: "flowControl", value: { maxInFlight: 0 } });
    this.#leaveWhenDone();
    setTimeout(() => this.#attempts.forEach(({ stop }) => stop.abort(Stop.RELEASED)), GRACE).unref();
    setTimeout(() => {
      this.#gaveUp = true;
      this.#session?.ended();
    }, GRACE + SETTLING).unref();
  }

  /** Works on one stream until it ends: well, or because the server asked for it, or by an error. */
  async #work(): Promise<void> {
    const session = new Session(this.#client, () => this.#held());
    const late = setTimeout(() => session.ended(), WELCOME_WITHIN);
    session.send({ case: "hello", value: this.#hello() });
    try {
      for await (const response of session.stream as AsyncIterable<WorkResponse>) {
        clearTimeout(late);
        this.#take(session, response);
      }
    } finally {
      clearTimeout(late);
      this.#session = undefined;
      session.ended();
    }
  }

  #hello() {
    return {
      workerId: this.#id,
      queues: [{ queue }],
      kinds: Object.keys(handlers),
      maxInFlight: this.#stopping.signal.aborted ? 0 : MAX_IN_FLIGHT,
      runtime: { sdk: "gosynq-example", language: `node ${process.versions.node}`, host: hostname() },
      heldLeases: this.#held(),
    };
  }

  #held(): LeaseRef[] {
    return Array.from(this.#attempts.values(), ({ ref }) => ref);
  }

  #take(session: Session, { message }: WorkResponse): void {
    switch (message.case) {
      case "welcome":
        return this.#begin(session, message.value);
      case "leases":
        return this.#takeLeases(session, message.value.leases);
      case "heartbeatAck":
        return this.#takeStatuses(message.value.leases);
      case "resultAcks":
        return message.value.acks.forEach((ack) => this.#acknowledge(ack));
      case "cancels":
        return message.value.cancels.forEach(({ lease, leaseLost }) => this.#cancel(lease!, leaseLost));
      case "goAway":
        console.error(`worker: asked to leave: ${message.value.reason}`);
        return message.value.stop ? this.stop() : session.leave();
    }
  }

  #begin(session: Session, welcome: WorkerWelcome): void {
    this.#session = session;
    session.beatWithin(durationMs(welcome.heartbeatInterval!));
    this.#takeStatuses(welcome.heldLeases);
    this.#unsent = Array.from(this.#attempts.values()).filter(({ result }) => result);
    this.#sendResults();
    if (this.#stopping.signal.aborted) session.send({ case: "flowControl", value: { maxInFlight: 0 } });
    this.#leaveWhenDone();
  }

  /**
   * Begins handlers. A lease that came late may be another worker's by now: its handler waits until the answer to a
   * heartbeat says that it is held.
   */
  #takeLeases(session: Session, leases: Lease[]): void {
    for (const lease of leases) {
      const attempt: Attempt = { ref: refOf(lease), stop: new AbortController() };
      attempt.begin = () => {
        attempt.begin = undefined;
        void this.#run(lease, attempt);
      };
      this.#attempts.set(keyOf(attempt.ref), attempt);
      if (!this.#isLate(lease)) attempt.begin();
      session.beatWithin(durationMs(lease.validFor!) / 3);
    }
    if (leases.some((lease) => this.#attempts.get(keyOf(refOf(lease)))?.begin)) session.beat();
  }

  /** Whether half of a lease may be over: it was on its way for long, or this process was paused. */
  #isLate(lease: Lease): boolean {
    const valid = durationMs(lease.validFor!);
    const took = Date.now() - (timestampMs(lease.expiresAt!) - valid);
    this.#skew = Math.min(this.#skew, took);
    return took - this.#skew > valid / 2;
  }

  async #run(lease: Lease, attempt: Attempt): Promise<void> {
    const outcome = await perform(lease, attempt.stop.signal, (current, total) => {
      const progress = { current: BigInt(current), total: BigInt(total) };
      this.#session?.send({ case: "progress", value: { reports: [{ lease: attempt.ref, progress }] } });
    });
    attempt.result = { lease: attempt.ref, outcome };
    this.#settle(attempt);
  }

  /** Sends a result, together with those that come in the same turn. */
  #settle(attempt: Attempt): void {
    if (!this.#attempts.has(keyOf(attempt.ref))) return;
    if (this.#unsent.length === 0) setImmediate(() => this.#sendResults());
    this.#unsent.push(attempt);
  }

  /** Sends what there is; without a stream it waits for the next one, which sends all that is not acknowledged. */
  #sendResults(): void {
    const results = this.#unsent.map(({ result }) => result!);
    this.#unsent = [];
    if (results.length > 0) this.#session?.send({ case: "results", value: { results } });
  }

  /** Forgets a lease whose result was taken or refused; that of a result that was not well formed goes on. */
  #acknowledge({ lease, status, message }: JobResultAck): void {
    const attempt = this.#attempts.get(keyOf(lease!));
    if (attempt && status === ResultStatus.INVALID) {
      attempt.result = { lease: attempt.ref, outcome: failed(new Failure(`its result was refused: ${message}`, true)) };
      return this.#settle(attempt);
    }
    this.#attempts.delete(keyOf(lease!));
    this.#leaveWhenDone();
  }

  #takeStatuses(statuses: LeaseStatus[]): void {
    for (const status of statuses) {
      const lost = status.state === LeaseState.LOST;
      if (lost || status.cancelRequested) this.#cancel(status, lost);
      if (!lost) this.#attempts.get(keyOf(status))?.begin?.();
    }
  }

  /** Stops a handler. A lost lease is forgotten at once, unless a result is on its way: that is acknowledged. */
  #cancel(lease: LeaseRef, lost: boolean): void {
    const attempt = this.#attempts.get(keyOf(lease));
    if (!attempt || attempt.result) return;
    if (lost) this.#attempts.delete(keyOf(lease));
    attempt.stop.abort(lost ? Stop.LOST : Stop.CANCELLED);
    this.#leaveWhenDone();
  }

  #leaveWhenDone(): void {
    if (this.#stopping.signal.aborted && this.#attempts.size === 0) this.#session?.leave();
  }
}

const worker = new Worker();
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => worker.stop());
worker.run().catch((error: Error) => {
  console.error(`worker: ${error.message}`);
  process.exit(1);
});
