package dev.gosynq.examples;

import java.util.concurrent.atomic.AtomicInteger;

/** What ends by SIGTERM or SIGINT with status 0. */
interface Program {
  void run() throws Exception;

  /** Has {@link #run} return. Another thread calls it, and perhaps after the end. */
  void stop();

  static void start(String name, Program program) {
    Thread main = Thread.currentThread();
    AtomicInteger status = new AtomicInteger();
    Thread end =
        new Thread(
            () -> {
              program.stop();
              try {
                main.join();
              } catch (InterruptedException e) {
                status.set(1);
              }
              System.out.flush();
              // Otherwise the status would tell of the signal.
              Runtime.getRuntime().halt(status.get());
            });
    Runtime.getRuntime().addShutdownHook(end);
    try {
      program.run();
    } catch (Exception e) {
      System.err.println(name + ": " + e.getMessage());
      status.set(1);
    }
  }
}
