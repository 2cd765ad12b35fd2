package dev.gosynq.examples;

import com.google.gson.Gson;
import com.google.gson.JsonParseException;
import com.google.gson.annotations.SerializedName;
import dev.gosynq.v1.JobProgress;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/** The handlers of the example: they do no work, and show each way in which a job can end. */
final class Handlers {
  static final Map<String, Handler> BY_KIND =
      Map.of(
          "echo", job -> Optional.of(job.payload()),
          "sleep", Handlers::sleep,
          "long", Handlers::sleep,
          "fail", Handlers::fail,
          "snooze", Handlers::putOff);

  private static final int STEPS = 10;

  private Handlers() {}

  private static Optional<Handler.Content> sleep(Handler.Job job) throws Handler.Failure, InterruptedException {
    long step = length(job).dividedBy(STEPS).toMillis();
    for (int done = 1; done <= STEPS; done++) {
      Thread.sleep(step);
      job.report().accept(JobProgress.newBuilder().setCurrent(done).setTotal(STEPS).build());
    }
    return Optional.empty();
  }

  private static Optional<Handler.Content> fail(Handler.Job job) throws Handler.Failure {
    record Asked(String message, @SerializedName("non_retryable") boolean nonRetryable) {}
    Asked asked = parse(job, Asked.class);
    throw new Handler.Failure(asked.message(), asked.nonRetryable());
  }

  private static Optional<Handler.Content> putOff(Handler.Job job) throws Handler.Failure, Handler.Snooze {
    if (job.isFirstLease()) {
      throw new Handler.Snooze(length(job));
    }
    return Optional.empty();
  }

  private static Duration length(Handler.Job job) throws Handler.Failure {
    record Asked(double seconds) {}
    return Duration.ofMillis(Math.round(1_000 * parse(job, Asked.class).seconds()));
  }

  private static <T> T parse(Handler.Job job, Class<T> type) throws Handler.Failure {
    try {
      T asked = new Gson().fromJson(job.payload().bytes().toStringUtf8(), type);
      if (asked != null) {
        return asked;
      }
    } catch (JsonParseException e) {
      throw new Handler.Failure(e.getMessage(), true);
    }
    throw new Handler.Failure("the payload is empty", true);
  }
}
