package dev.gosynq.examples;

import dev.gosynq.v1.FlowControl;
import dev.gosynq.v1.GoAway;
import dev.gosynq.v1.JobResult;
import dev.gosynq.v1.JobResults;
import dev.gosynq.v1.Lease;
import dev.gosynq.v1.LeaseRef;
import dev.gosynq.v1.LeaseState;
import dev.gosynq.v1.LeaseStatus;
import dev.gosynq.v1.WorkRequest;
import dev.gosynq.v1.WorkResponse;
import dev.gosynq.v1.WorkerHeartbeat;
import dev.gosynq.v1.WorkerServiceGrpc;
import dev.gosynq.v1.WorkerWelcome;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Future;

/**
 * One Work stream. All but the three methods of an observer is called by the worker's thread, to which they hand over.
 * What is sent before the welcome, or after the end, is left out: the next welcome has all that counts sent again.
 */
final class Session implements StreamObserver<WorkResponse> {
  private static final Duration WELCOME_WITHIN = Duration.ofSeconds(5);

  private final Worker worker;
  private StreamObserver<WorkRequest> requests;
  private Future<?> late;
  private Future<?> beats;
  private Duration interval;
  private long sequence;
  private boolean isOpen;

  Session(Worker worker) {
    this.worker = worker;
  }

  void open(WorkerServiceGrpc.WorkerServiceStub client) {
    requests = client.work(this);
    requests.onNext(WorkRequest.newBuilder().setHello(worker.hello()).build());
    late = worker.after(WELCOME_WITHIN, () -> requests.onError(Status.CANCELLED.asException()));
  }

  @Override
  public void onNext(WorkResponse response) {
    worker.tell(() -> take(response));
  }

  @Override
  public void onError(Throwable problem) {
    worker.tell(() -> end(Status.fromThrowable(problem)));
  }

  @Override
  public void onCompleted() {
    worker.tell(() -> end(Status.OK));
  }

  void send(WorkRequest.Builder request) {
    if (isOpen) {
      requests.onNext(request.build());
    }
  }

  void sendResults(List<JobResult> results) {
    if (!results.isEmpty()) {
      send(WorkRequest.newBuilder().setResults(JobResults.newBuilder().addAllResults(results)));
    }
  }

  void takeNoMore() {
    send(WorkRequest.newBuilder().setFlowControl(FlowControl.getDefaultInstance()));
  }

  /** Closes this side; the server ends the stream when it has acknowledged everything. */
  void leave() {
    if (isOpen) {
      isOpen = false;
      requests.onCompleted();
    }
  }

  private void end(Status status) {
    isOpen = false;
    late.cancel(false);
    if (beats != null) {
      beats.cancel(false);
    }
    worker.take(status);
  }

  private void take(WorkResponse response) {
    switch (response.getMessageCase()) {
      case WELCOME -> begin(response.getWelcome());
      case LEASES -> takeLeases(response.getLeases().getLeasesList());
      case HEARTBEAT_ACK -> response.getHeartbeatAck().getLeasesList().forEach(this::take);
      case RESULT_ACKS -> response.getResultAcks().getAcksList().forEach(worker::acknowledge);
      case CANCELS -> response.getCancels().getCancelsList().forEach(
          notice -> worker.cancel(notice.getLease(), notice.getLeaseLost()));
      case GO_AWAY -> take(response.getGoAway());
      case MESSAGE_NOT_SET -> {} // of a later version
    }
  }

  private void begin(WorkerWelcome welcome) {
    late.cancel(false);
    isOpen = true;
    beatEvery(Times.of(welcome.getHeartbeatInterval()));
    welcome.getHeldLeasesList().forEach(this::take);
    worker.welcomed();
  }

  /**
   * Begins handlers. A lease that came late may be another worker's by now: its handler waits until the answer to a
   * heartbeat says that it is held.
   */
  private void takeLeases(List<Lease> leases) {
    boolean anyIsLate = false;
    for (Lease lease : leases) {
      anyIsLate |= worker.hold(lease);
      beatWithin(Times.of(lease.getValidFor()).dividedBy(3));
    }
    if (anyIsLate) {
      beat();
    }
  }

  /** Has heartbeats sent more often for a job whose lease is shorter than its queue's. */
  private void beatWithin(Duration interval) {
    if (interval.compareTo(this.interval) < 0 && !interval.isZero()) {
      beatEvery(interval);
    }
  }

  private void take(LeaseStatus status) {
    LeaseRef lease =
        LeaseRef.newBuilder().setJobId(status.getJobId()).setLeaseToken(status.getLeaseToken()).build();
    boolean isLost = status.getState() == LeaseState.LEASE_STATE_LOST;
    if (isLost || status.getCancelRequested()) {
      worker.cancel(lease, isLost);
    }
    if (!isLost) {
      worker.confirm(lease);
    }
  }

  private void take(GoAway goAway) {
    System.err.println("worker: asked to leave: " + goAway.getReason());
    if (goAway.getStop()) {
      worker.drain();
    } else {
      leave();
    }
  }

  private void beatEvery(Duration interval) {
    this.interval = interval;
    if (beats != null) {
      beats.cancel(false);
    }
    beats = worker.every(interval, this::beat);
  }

  private void beat() {
    WorkerHeartbeat.Builder heartbeat =
        WorkerHeartbeat.newBuilder().setSequence(++sequence).addAllLeases(worker.held());
    send(WorkRequest.newBuilder().setHeartbeat(heartbeat));
  }
}
