package dev.gosynq.examples;

import com.google.protobuf.ByteString;
import dev.gosynq.v1.EnqueueJobRequest;
import dev.gosynq.v1.JobServiceGrpc;
import dev.gosynq.v1.JobSpec;
import io.grpc.ManagedChannel;
import java.time.Duration;
import java.util.UUID;

/** Enqueues a job and prints its id. Arguments: [KIND [PAYLOAD]]. */
final class Producer implements Program {
  private final ManagedChannel channel = Connection.open();
  private final String kind;
  private final String payload;

  private Producer(String kind, String payload) {
    this.kind = kind;
    this.payload = payload;
  }

  public static void main(String[] arguments) {
    String otherwise = arguments.length > 0 ? "{}" : "{\"message\":\"hello\"}";
    String kind = arguments.length > 0 ? arguments[0] : "echo";
    Program.start("producer", new Producer(kind, arguments.length > 1 ? arguments[1] : otherwise));
  }

  @Override
  public void run() {
    JobSpec job =
        JobSpec.newBuilder()
            .setQueue(Connection.queue())
            .setKind(kind)
            .setPayloadBytes(ByteString.copyFromUtf8(payload))
            .setContentType("application/json")
            .setIdempotencyKey(UUID.randomUUID().toString())
            .build();
    try {
      var client = JobServiceGrpc.newBlockingStub(channel).withDeadlineAfter(Duration.ofSeconds(5));
      System.out.println(client.enqueueJob(EnqueueJobRequest.newBuilder().setJob(job).build()).getJobId());
    } finally {
      channel.shutdownNow();
    }
  }

  @Override
  public void stop() {
    channel.shutdownNow();
  }
}
