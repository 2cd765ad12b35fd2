package dev.gosynq.examples;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/** The channel that the programs share. */
final class Connection {
  // Only what may be repeated is named: an enqueue may because of its idempotency key. A stream is taken up by the program.
  private static final String SERVICE_CONFIG =
      """
      {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": "gosynq.v1.JobService"},
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
        "methodConfig": [{
          "name": [
            {"service": "gosynq.v1.JobService", "method": "EnqueueJob"},
            {"service": "gosynq.v1.JobService", "method": "GetJob"}
          ],
          "waitForReady": true,
          "retryPolicy": {
            "maxAttempts": 4,
            "initialBackoff": "0.1s",
            "maxBackoff": "2s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"]
          }
        }]
      }
      """;

  // ABORTED is another worker's doing, which has this one's id.
  private static final Set<Status.Code> FINAL =
      Set.of(
          Status.Code.ABORTED,
          Status.Code.INVALID_ARGUMENT,
          Status.Code.UNAUTHENTICATED,
          Status.Code.PERMISSION_DENIED,
          Status.Code.UNIMPLEMENTED);

  private Connection() {}

  /** Gives a channel to GOSYNQ_TARGET, which connects with its first call. */
  static ManagedChannel open() {
    Map<String, Object> serviceConfig = new Gson().fromJson(SERVICE_CONFIG, new TypeToken<>() {});
    return Grpc.newChannelBuilder(
            setting("GOSYNQ_TARGET", "localhost:50051"), InsecureChannelCredentials.create())
        .defaultServiceConfig(serviceConfig)
        .keepAliveTime(30, TimeUnit.SECONDS)
        .keepAliveTimeout(10, TimeUnit.SECONDS)
        .build();
  }

  /** Gives GOSYNQ_QUEUE. */
  static String queue() {
    return setting("GOSYNQ_QUEUE", "default");
  }

  static String setting(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }

  /** Whether it is of no use to try again. */
  static boolean isFinal(Status status) {
    return FINAL.contains(status.getCode());
  }

  /** Waits between tries: twice as long each time, up to five seconds, less a random part. */
  static final class Backoff {
    private static final long FIRST = 100;
    private static final long LAST = 5_000;
    private long delay = FIRST;

    long nextMillis() {
      long most = delay;
      delay = Math.min(2 * delay, LAST);
      return ThreadLocalRandom.current().nextLong(most / 2, most);
    }

    void reset() {
      delay = FIRST;
    }
  }
}
