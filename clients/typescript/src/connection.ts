// The channel that the programs share, and calls on it by the methods that protoc-gen-es describes.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { Client, Metadata, credentials, status } from "@grpc/grpc-js";
import type { CallOptions, ClientDuplexStream, ClientReadableStream, ServiceError } from "@grpc/grpc-js";

// Only what may be repeated is named: an enqueue may because of its idempotency key. A stream is taken up by the program.
const SERVICE_CONFIG = {
  loadBalancingConfig: [{ round_robin: {} }],
  retryThrottling: { maxTokens: 100, tokenRatio: 0.1 },
  methodConfig: [
    {
      name: [
        { service: "gosynq.v1.JobService", method: "EnqueueJob" },
        { service: "gosynq.v1.JobService", method: "GetJob" },
      ],
      waitForReady: true,
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: "0.1s",
        maxBackoff: "2s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE", "CANCELLED"],
      },
    },
  ],
};

// ABORTED is another worker's doing, which has this one's id.
const FINAL = [
  status.ABORTED,
  status.INVALID_ARGUMENT,
  status.UNAUTHENTICATED,
  status.PERMISSION_DENIED,
  status.UNIMPLEMENTED,
];

export const queue = process.env.GOSYNQ_QUEUE || "default";

/** Gives a channel to GOSYNQ_TARGET, which connects with its first call. */
export function open(): Client {
  return new Client(process.env.GOSYNQ_TARGET || "localhost:50051", credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify(SERVICE_CONFIG),
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 5_000,
    "grpc.max_receive_message_length": 16 * 1024 * 1024,
  });
}

export function unary<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  options: CallOptions,
): Promise<MessageShape<O>> {
  const { path, serialize, deserialize } = wire(method);
  const message = create(method.input, request);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, serialize, deserialize, message, new Metadata(), options, (error, response) =>
      response ? resolve(response) : reject(error),
    );
  });
}

export function serverStream<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: DescMethodServerStreaming<I, O>,
  request: MessageInitShape<I>,
): ClientReadableStream<MessageShape<O>> {
  const { path, serialize, deserialize } = wire(method);
  return client.makeServerStreamRequest(path, serialize, deserialize, create(method.input, request));
}

export function bidiStream<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: DescMethodBiDiStreaming<I, O>,
): ClientDuplexStream<MessageShape<I>, MessageShape<O>> {
  const { path, serialize, deserialize } = wire(method);
  return client.makeBidiStreamRequest(path, serialize, deserialize);
}

function wire<I extends DescMessage, O extends DescMessage>(method: {
  parent: { typeName: string };
  name: string;
  input: I;
  output: O;
}) {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    serialize: (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
    deserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
  };
}

export function codeOf(error: unknown): status | undefined {
  return (error as Partial<ServiceError>).code;
}

/** Whether it is of no use to try again. */
export function isFinal(error: unknown): boolean {
  const code = codeOf(error);
  return code === undefined || FINAL.includes(code);
}

/** Waits between tries: twice as long each time, up to five seconds, less a random part. */
export class Backoff {
  #delay = 100;

  next(): number {
    const delay = this.#delay;
    this.#delay = Math.min(2 * delay, 5_000);
    return delay / 2 + (Math.random() * delay) / 2;
  }

  reset(): void {
    this.#delay = 100;
  }
}
