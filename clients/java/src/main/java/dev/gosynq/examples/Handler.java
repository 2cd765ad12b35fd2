package dev.gosynq.examples;

import com.google.protobuf.ByteString;
import dev.gosynq.v1.JobProgress;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Returns a result, or throws: {@link Failure} and {@link Snooze} say what is to become of the job, anything else is a
 * failure that may be tried again. Its thread is interrupted when the job is to stop.
 */
@FunctionalInterface
interface Handler {
  Optional<Content> handle(Job job) throws Exception;

  /** What a job carries, or returns. */
  record Content(ByteString bytes, String mediaType) {}

  /** What a handler sees; isFirstLease tells a job that was put off from a new one. */
  record Job(Content payload, boolean isFirstLease, Consumer<JobProgress> report) {}

  final class Failure extends Exception {
    final boolean nonRetryable;

    Failure(String message, boolean nonRetryable) {
      super(message);
      this.nonRetryable = nonRetryable;
    }
  }

  final class Snooze extends Exception {
    final Duration delay;

    Snooze(Duration delay) {
      super("put off for " + delay);
      this.delay = delay;
    }
  }
}
