// Enqueues a job and prints its id.
//
// Usage: producer [KIND [PAYLOAD]]

import { randomUUID } from "node:crypto";
import { open, queue, unary } from "./connection.js";
import { JobService } from "./gen/gosynq/v1/job_service_pb.js";

const [kind, payload] = process.argv.length > 2 ? process.argv.slice(2) : ["echo", '{"message":"hello"}'];
const client = open();
try {
  const job = {
    queue,
    kind,
    content: { case: "payloadBytes" as const, value: Buffer.from(payload ?? "{}") },
    contentType: "application/json",
    idempotencyKey: randomUUID(),
  };
  const { jobId } = await unary(client, JobService.method.enqueueJob, { job }, { deadline: Date.now() + 5_000 });
  console.log(jobId);
} catch (error) {
  console.error(`producer: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  client.close();
}
