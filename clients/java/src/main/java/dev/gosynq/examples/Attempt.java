package dev.gosynq.examples;

import com.google.protobuf.Duration;
import dev.gosynq.v1.Job;
import dev.gosynq.v1.JobCancelled;
import dev.gosynq.v1.JobError;
import dev.gosynq.v1.JobFailure;
import dev.gosynq.v1.JobProgress;
import dev.gosynq.v1.JobRelease;
import dev.gosynq.v1.JobResult;
import dev.gosynq.v1.JobSnooze;
import dev.gosynq.v1.JobSuccess;
import dev.gosynq.v1.Lease;
import dev.gosynq.v1.LeaseRef;
import java.util.Optional;
import java.util.function.Consumer;

/** A lease from its grant until its result is acknowledged, or it is lost. */
final class Attempt {
  /** Why a handler is stopped. */
  enum Stop {
    CANCELLED,
    LOST,
    RELEASED,
    TIMED_OUT
  }

  /** Names the lease. Its token alone is only new among those of one job. */
  final LeaseRef lease;

  final Lease granted;

  // A thread of its own, so that none but this attempt is interrupted.
  private Thread thread;
  private volatile Stop reason;
  private JobResult result;

  Attempt(Lease granted) {
    this.granted = granted;
    this.lease =
        LeaseRef.newBuilder().setJobId(granted.getJob().getId()).setLeaseToken(granted.getLeaseToken()).build();
  }

  boolean hasBegun() {
    return thread != null;
  }

  /** Runs the handler; what it reports and what it came to is told from the attempt's thread. */
  void start(Consumer<JobProgress> report, Consumer<JobResult> ended) {
    thread = new Thread(() -> ended.accept(perform(report)), "job-" + lease.getJobId());
    thread.setDaemon(true);
    thread.start();
  }

  /** Only the first reason counts. An attempt that has not begun ends with it as soon as it begins. */
  void stop(Stop reason) {
    if (this.reason != null) {
      return;
    }
    this.reason = reason;
    if (hasBegun()) {
      thread.interrupt();
    }
  }

  /** Empty while the handler runs. */
  Optional<JobResult> result() {
    return Optional.ofNullable(result);
  }

  void end(JobResult result) {
    this.result = result;
  }

  /** A result that says that a job failed. */
  JobResult failed(Throwable problem) {
    String message = problem.getMessage() == null ? problem.toString() : problem.getMessage();
    boolean nonRetryable = problem instanceof Handler.Failure failure && failure.nonRetryable;
    JobError.Builder error =
        JobError.newBuilder()
            .setType(problem.getClass().getSimpleName())
            .setMessage(message)
            .setNonRetryable(nonRetryable);
    return result(builder -> builder.setFailure(JobFailure.newBuilder().setError(error)));
  }

  private JobResult perform(Consumer<JobProgress> report) {
    if (reason != null) {
      return stopped(reason);
    }
    try {
      Job job = granted.getJob();
      Handler.Content payload = new Handler.Content(job.getPayloadBytes(), job.getContentType());
      Handler handler = Handlers.BY_KIND.get(job.getKind());
      return succeeded(handler.handle(new Handler.Job(payload, granted.getLeaseSequence() == 1, report)));
    } catch (Handler.Snooze snooze) {
      Duration delay = Times.toProto(snooze.delay);
      return result(builder -> builder.setSnooze(JobSnooze.newBuilder().setDelay(delay)));
    } catch (Throwable problem) {
      return reason == null ? failed(problem) : stopped(reason);
    }
  }

  private JobResult stopped(Stop reason) {
    return switch (reason) {
      case CANCELLED -> result(builder -> builder.setCancelled(JobCancelled.newBuilder().setMessage("stopped")));
      case RELEASED -> result(builder -> builder.setRelease(JobRelease.getDefaultInstance()));
      case TIMED_OUT -> failed(new Handler.Failure("the attempt took too long", false));
      case LOST -> failed(new Handler.Failure("the lease is lost", false));
    };
  }

  private JobResult succeeded(Optional<Handler.Content> output) {
    JobSuccess.Builder success = JobSuccess.newBuilder();
    output.ifPresent(content -> success.setResultBytes(content.bytes()).setResultContentType(content.mediaType()));
    return result(builder -> builder.setSuccess(success));
  }

  private JobResult result(Consumer<JobResult.Builder> outcome) {
    JobResult.Builder builder = JobResult.newBuilder().setLease(lease);
    outcome.accept(builder);
    return builder.build();
  }
}
