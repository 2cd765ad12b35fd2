// The handlers of the example: they do no work, and show each way in which a job can end.

import { setTimeout as wait } from "node:timers/promises";

/** What a job carries, or returns. */
export interface Content {
  bytes: Uint8Array;
  mediaType: string;
}

/** What a handler sees. */
export interface Job {
  id: string;
  attempt: number;
  /** Rises with each lease, that of a job which was put off as well; attempt counts those that failed. */
  leaseSequence: bigint;
  payload: Content;
  report(current: number, total: number): void;
}

/**
 * Returns a result, or throws: Failure and Snooze say what is to become of the job, anything else is a failure that may
 * be tried again. It ends when the signal is aborted.
 */
export type Handler = (job: Job, signal: AbortSignal) => Promise<Content | undefined>;

export class Failure extends Error {
  override name = "HandlerFailed";

  constructor(
    message: string,
    readonly nonRetryable: boolean,
  ) {
    super(message);
  }
}

export class Snooze extends Error {
  constructor(readonly milliseconds: number) {
    super(`put off for ${milliseconds} ms`);
  }
}

export const handlers: Record<string, Handler> = {
  echo: async (job) => job.payload,
  sleep,
  long: sleep,
  fail: async (job) => {
    const { message, non_retryable } = parse(job);
    throw new Failure(String(message), Boolean(non_retryable));
  },
  snooze: async (job) => {
    if (job.leaseSequence === 1n) throw new Snooze(milliseconds(job));
    return undefined;
  },
};

async function sleep(job: Job, signal: AbortSignal): Promise<undefined> {
  const steps = 10;
  const step = milliseconds(job) / steps;
  for (let done = 1; done <= steps; done++) {
    await wait(step, undefined, { signal });
    job.report(done, steps);
  }
}

function milliseconds(job: Job): number {
  return 1000 * Number(parse(job).seconds);
}

function parse(job: Job): Record<string, unknown> {
  try {
    return JSON.parse(Buffer.from(job.payload.bytes).toString());
  } catch (error) {
    throw new Failure(String(error), true);
  }
}
