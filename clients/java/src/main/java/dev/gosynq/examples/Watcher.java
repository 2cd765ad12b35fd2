package dev.gosynq.examples;

import com.google.protobuf.Duration;
import dev.gosynq.v1.EventServiceGrpc;
import dev.gosynq.v1.JobEvent;
import dev.gosynq.v1.WatchEventsRequest;
import dev.gosynq.v1.WatchEventsResponse;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Prints what happens to the jobs of a queue, from the oldest stored event on: JOB_ID REVISION TYPE. */
final class Watcher implements Program {
  private static final int HEARTBEAT_SECONDS = 5;

  private final ManagedChannel channel = Connection.open();
  private final EventServiceGrpc.EventServiceBlockingV2Stub client = EventServiceGrpc.newBlockingV2Stub(channel);
  private final Connection.Backoff backoff = new Connection.Backoff();
  private final CountDownLatch stopping = new CountDownLatch(1);
  private String cursor = "";

  public static void main(String[] arguments) {
    Program.start("watcher", new Watcher());
  }

  @Override
  public void stop() {
    stopping.countDown();
    channel.shutdownNow();
  }

  /** Watches until it is told to stop, or a server refuses it. */
  @Override
  public void run() throws InterruptedException, StatusException {
    do {
      try {
        watch();
      } catch (StatusException e) {
        if (stopping.getCount() == 0) {
          return;
        }
        judge(e);
      }
      // A server that is back is found by the watcher's own back-off.
      channel.resetConnectBackoff();
    } while (!stopping.await(backoff.nextMillis(), TimeUnit.MILLISECONDS));
  }

  /** Prints events until the stream ends, and keeps the cursor to go on from. */
  private void watch() throws InterruptedException, StatusException {
    BlockingClientCall<?, WatchEventsResponse> call = client.watchEvents(request());
    WatchEventsResponse response;
    while ((response = next(call)) != null) {
      response.getEventsList().forEach(Watcher::print);
      cursor = response.getCursor();
      backoff.reset();
    }
  }

  /** A stream has no deadline; instead, none of its responses may be late. */
  private static WatchEventsResponse next(BlockingClientCall<?, WatchEventsResponse> call)
      throws InterruptedException, StatusException {
    try {
      return call.read(3 * HEARTBEAT_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      call.cancel("silent", e);
      throw Status.UNAVAILABLE.withDescription("no response for three heartbeats").asException();
    }
  }

  private static void judge(StatusException e) throws StatusException {
    if (e.getStatus().getCode() == Status.Code.OUT_OF_RANGE) {
      throw e.getStatus().augmentDescription("events were missed, as they are no longer stored").asException();
    }
    if (Connection.isFinal(e.getStatus())) {
      throw e;
    }
    System.err.println("watcher: interrupted: " + e.getMessage());
  }

  private WatchEventsRequest request() {
    WatchEventsRequest.Builder request =
        WatchEventsRequest.newBuilder()
            .addQueues(Connection.queue())
            .setHeartbeatInterval(Duration.newBuilder().setSeconds(HEARTBEAT_SECONDS));
    return (cursor.isEmpty() ? request.setFromOldest(true) : request.setCursor(cursor)).build();
  }

  private static void print(JobEvent event) {
    String type = event.getType().name().replaceFirst("^EVENT_TYPE_", "").toLowerCase(Locale.ROOT);
    System.out.println(event.getJobId() + " " + event.getRevision() + " " + type);
  }
}
