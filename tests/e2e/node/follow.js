// Enqueues a job and prints all that happens to it, a line of JSON an event, until it is over.
// Usage: node follow.js HOST:PORT

import { fileURLToPath } from "node:url";
import { credentials, loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const includeDirs = ["../../../proto", "../../../proto/third_party"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);
const definition = loadSync(["gosynq/v1/job_service.proto", "gosynq/v1/event_service.proto"], {
  includeDirs,
  enums: String,
  keepCase: true,
  longs: String,
});
const { JobService, EventService } = loadPackageDefinition(definition).gosynq.v1;
const target = process.argv[2];
const jobs = new JobService(target, credentials.createInsecure());
const events = new EventService(target, credentials.createInsecure());

const job = {
  queue: "default",
  kind: "word_count",
  payload: { fields: { text: { stringValue: "to be or not to be" } } },
};

function enqueue() {
  return new Promise((resolve, reject) => {
    jobs.EnqueueJob({ job }, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

const { job_id, cursor } = await enqueue();
const watch = events.WatchEvents({ job_ids: [job_id], cursor, stop_when_terminal: true, include_payload: true });
for await (const response of watch) {
  for (const { type, status, revision, payload } of response.events ?? []) {
    console.log(JSON.stringify({ type, status, revision, payload }));
  }
}
jobs.close();
events.close();
