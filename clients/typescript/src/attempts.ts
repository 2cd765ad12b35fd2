// From a lease to the result that ends it.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { JobResultSchema, Lease } from "./gen/gosynq/v1/worker_pb.js";
import { Failure, Snooze, handlers } from "./handlers.js";

export type LeaseRef = Pick<Lease, "leaseToken"> & { jobId: string };
export type JobResult = MessageInitShape<typeof JobResultSchema>;
export type Report = (current: number, total: number) => void;

/** Why a handler is stopped. */
export enum Stop {
  CANCELLED,
  LOST,
  RELEASED,
}

/** A lease from its grant until its result is acknowledged, or it is lost. */
export interface Attempt {
  ref: LeaseRef;
  stop: AbortController;
  /** Runs the handler, once; unset from then on. */
  begin?: () => void;
  /** Unset while the handler runs. */
  result?: JobResult;
}

export function refOf(lease: Lease): LeaseRef {
  return { jobId: lease.job!.id, leaseToken: lease.leaseToken };
}

/** Tells a lease from all others: the token alone is only new among those of one job. */
export function keyOf({ jobId, leaseToken }: LeaseRef): string {
  return `${jobId} ${leaseToken}`;
}

/** Runs a lease's handler and says what it came to. */
export async function perform(lease: Lease, stop: AbortSignal, report: Report): Promise<JobResult["outcome"]> {
  const { kind, limit, ...seen } = taskOf(lease);
  const signal = limit === undefined ? stop : AbortSignal.any([stop, AbortSignal.timeout(limit)]);
  try {
    const output = await handlers[kind]!({ ...seen, report }, signal);
    if (!output) return { case: "success", value: {} };
    const result = { case: "resultBytes" as const, value: output.bytes };
    return { case: "success", value: { output: result, resultContentType: output.mediaType } };
  } catch (error) {
    if (error instanceof Snooze) return { case: "snooze", value: { delay: durationFromMs(error.milliseconds) } };
    if (stop.reason === Stop.CANCELLED) return { case: "cancelled", value: { message: "stopped" } };
    if (stop.reason === Stop.RELEASED) return { case: "release", value: {} };
    return failed(signal.aborted ? signal.reason : error);
  }
}

export function failed(error: unknown): JobResult["outcome"] {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const nonRetryable = error instanceof Failure && error.nonRetryable;
  return { case: "failure", value: { error: { type: name, message, nonRetryable } } };
}

function taskOf({ job, leaseSequence }: Lease) {
  const bytes = job!.content.case === "payloadBytes" ? job!.content.value : new Uint8Array();
  const limit = job!.attemptTimeout && durationMs(job!.attemptTimeout);
  const payload = { bytes, mediaType: job!.contentType };
  return { id: job!.id, kind: job!.kind, attempt: job!.attempt, leaseSequence, payload, limit };
}
