package dev.gosynq.examples;

import dev.gosynq.v1.JobProgress;
import dev.gosynq.v1.JobProgressReport;
import dev.gosynq.v1.JobResult;
import dev.gosynq.v1.JobResultAck;
import dev.gosynq.v1.Lease;
import dev.gosynq.v1.LeaseRef;
import dev.gosynq.v1.ProgressReport;
import dev.gosynq.v1.QueueSubscription;
import dev.gosynq.v1.ResultStatus;
import dev.gosynq.v1.WorkRequest;
import dev.gosynq.v1.WorkerHello;
import dev.gosynq.v1.WorkerRuntime;
import dev.gosynq.v1.WorkerServiceGrpc;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Runs jobs of a queue, which it takes over the Work stream. It keeps its attempts over all streams; they, and the stream,
 * belong to one thread, which the others tell what there is to do.
 */
final class Worker implements Program {
  private static final int MAX_IN_FLIGHT = 10;
  // How long attempts may go on at a stop, after which they are given back, and how long their results may take.
  private static final Duration GRACE = Duration.ofSeconds(25);
  private static final Duration SETTLING = Duration.ofSeconds(5);
  // A stream that held this long was no failed try.
  private static final Duration HELD = Duration.ofSeconds(5);

  private final String id = Connection.setting("GOSYNQ_WORKER_ID", "java-" + UUID.randomUUID());
  private final ManagedChannel channel = Connection.open();
  // After its end it has nothing done.
  private final ScheduledThreadPoolExecutor thread =
      new ScheduledThreadPoolExecutor(1, new ThreadPoolExecutor.DiscardPolicy());
  private final CompletableFuture<Void> ended = new CompletableFuture<>();
  private final Connection.Backoff backoff = new Connection.Backoff();
  private final Map<LeaseRef, Attempt> attempts = new HashMap<>();
  private final List<JobResult> unsent = new ArrayList<>();
  private Optional<Session> session = Optional.empty();
  // The least that a lease ever took by two clocks: by how much they differ.
  private Duration skew = Duration.ZERO;
  private long connectedAt;
  private boolean isStopping;

  public static void main(String[] arguments) {
    Program.start("worker", new Worker());
  }

  /** Goes from stream to stream until it is told to stop and has ended what it holds. */
  @Override
  public void run() throws Exception {
    thread.setRemoveOnCancelPolicy(true);
    tell(this::connect);
    try {
      ended.get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof Exception cause ? cause : e;
    } finally {
      thread.shutdownNow();
      channel.shutdownNow().awaitTermination(1, TimeUnit.SECONDS);
    }
  }

  @Override
  public void stop() {
    tell(this::drain);
  }

  /** Has something done by the worker's thread. */
  void tell(Runnable change) {
    thread.execute(guarded(change));
  }

  Future<?> after(Duration delay, Runnable change) {
    return thread.schedule(guarded(change), delay.toMillis(), TimeUnit.MILLISECONDS);
  }

  Future<?> every(Duration interval, Runnable change) {
    long millis = Math.max(interval.toMillis(), 1);
    return thread.scheduleAtFixedRate(guarded(change), millis, millis, TimeUnit.MILLISECONDS);
  }

  private Runnable guarded(Runnable change) {
    return () -> {
      try {
        change.run();
      } catch (RuntimeException e) {
        ended.completeExceptionally(e);
      }
    };
  }

  private void connect() {
    if (isDone()) {
      ended.complete(null);
      return;
    }
    connectedAt = System.nanoTime();
    // A server that is back is found by the worker's own back-off.
    channel.resetConnectBackoff();
    Session next = new Session(this);
    session = Optional.of(next);
    next.open(WorkerServiceGrpc.newStub(channel));
  }

  WorkerHello hello() {
    return WorkerHello.newBuilder()
        .setWorkerId(id)
        .addQueues(QueueSubscription.newBuilder().setQueue(Connection.queue()))
        .addAllKinds(Handlers.BY_KIND.keySet())
        .setMaxInFlight(isStopping ? 0 : MAX_IN_FLIGHT)
        .setRuntime(
            WorkerRuntime.newBuilder().setSdk("gosynq-example").setLanguage("java " + Runtime.version().feature()))
        .addAllHeldLeases(held())
        .build();
  }

  Iterable<LeaseRef> held() {
    return attempts.keySet();
  }

  /** Sends what was not acknowledged on the streams before. */
  void welcomed() {
    unsent.clear();
    attempts.values().forEach(attempt -> attempt.result().ifPresent(unsent::add));
    sendResults();
    if (isStopping) {
      session.ifPresent(Session::takeNoMore);
    }
    leaveWhenDone();
  }

  /** Takes the end of the stream: well, or because the server asked for it, or by an error. */
  void take(Status status) {
    session = Optional.empty();
    if (Connection.isFinal(status)) {
      ended.completeExceptionally(status.asException());
      return;
    }
    if (!status.isOk()) {
      System.err.println("worker: no stream to a server: " + status.asException().getMessage());
    }
    if (System.nanoTime() - connectedAt > HELD.toNanos()) {
      backoff.reset();
    }
    after(Duration.ofMillis(isDone() ? 0 : backoff.nextMillis()), this::connect);
  }

  /** Keeps a lease, and runs its handler unless it came late, which is returned. */
  boolean hold(Lease lease) {
    Attempt attempt = new Attempt(lease);
    attempts.put(attempt.lease, attempt);
    boolean isLate = isLate(lease);
    if (!isLate) {
      begin(attempt);
    }
    return isLate;
  }

  /** Runs the handler of a lease that came late, and is held as a heartbeat's answer says. */
  void confirm(LeaseRef lease) {
    Attempt attempt = attempts.get(lease);
    if (attempt != null && !attempt.hasBegun()) {
      begin(attempt);
    }
  }

  /** Says whether half of a lease may be over: it was on its way for long, or this process was paused. */
  private boolean isLate(Lease lease) {
    Duration valid = Times.of(lease.getValidFor());
    Duration took = Duration.between(Times.of(lease.getExpiresAt()).minus(valid), Instant.now());
    skew = took.compareTo(skew) < 0 ? took : skew;
    return took.minus(skew).compareTo(valid.dividedBy(2)) > 0;
  }

  private void begin(Attempt attempt) {
    attempt.start(
        progress -> tell(() -> report(attempt, progress)), result -> tell(() -> settle(attempt, result)));
    if (attempt.granted.getJob().hasAttemptTimeout()) {
      Duration limit = Times.of(attempt.granted.getJob().getAttemptTimeout());
      after(limit, () -> attempt.stop(Attempt.Stop.TIMED_OUT));
    }
  }

  private void report(Attempt attempt, JobProgress progress) {
    var report = JobProgressReport.newBuilder().setLease(attempt.lease).setProgress(progress);
    var request = WorkRequest.newBuilder().setProgress(ProgressReport.newBuilder().addReports(report));
    session.ifPresent(open -> open.send(request));
  }

  /** Sends a result, together with those that come meanwhile. */
  private void settle(Attempt attempt, JobResult result) {
    if (attempts.get(attempt.lease) != attempt) {
      return;
    }
    attempt.end(result);
    if (unsent.isEmpty()) {
      tell(this::sendResults);
    }
    unsent.add(result);
  }

  private void sendResults() {
    session.ifPresent(open -> open.sendResults(unsent));
    unsent.clear();
  }

  /** Forgets a lease whose result was taken or refused; that of a result that was not well formed goes on. */
  void acknowledge(JobResultAck ack) {
    Attempt attempt = attempts.get(ack.getLease());
    if (attempt != null && ack.getStatus() == ResultStatus.RESULT_STATUS_INVALID) {
      String message = "its result was refused: " + ack.getMessage();
      settle(attempt, attempt.failed(new Handler.Failure(message, true)));
      return;
    }
    attempts.remove(ack.getLease());
    leaveWhenDone();
  }

  /** Stops a handler. A lost lease is forgotten at once, unless a result is on its way: that is acknowledged. */
  void cancel(LeaseRef lease, boolean isLost) {
    Attempt attempt = attempts.get(lease);
    if (attempt == null || attempt.result().isPresent()) {
      return;
    }
    if (isLost) {
      attempts.remove(lease);
    }
    attempt.stop(isLost ? Attempt.Stop.LOST : Attempt.Stop.CANCELLED);
    leaveWhenDone();
  }

  /** Takes no more, and ends with the last attempt. */
  void drain() {
    if (isStopping) {
      return;
    }
    isStopping = true;
    session.ifPresentOrElse(Session::takeNoMore, () -> tell(this::endIfDone));
    leaveWhenDone();
    after(GRACE, () -> attempts.values().forEach(attempt -> attempt.stop(Attempt.Stop.RELEASED)));
    String problem = "stopped with results that no server acknowledged";
    after(GRACE.plus(SETTLING), () -> ended.completeExceptionally(new IllegalStateException(problem)));
  }

  /** Told to stop, a worker that holds nothing need not connect once more. */
  private void endIfDone() {
    if (isDone() && session.isEmpty()) {
      ended.complete(null);
    }
  }

  private void leaveWhenDone() {
    if (isDone()) {
      session.ifPresent(Session::leave);
    }
  }

  private boolean isDone() {
    return isStopping && attempts.isEmpty();
  }
}
