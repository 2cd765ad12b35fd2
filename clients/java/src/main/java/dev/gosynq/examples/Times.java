package dev.gosynq.examples;

import java.time.Duration;

/** Lengths of time, from the contract's type and to it. */
final class Times {
  private Times() {}

  static Duration of(com.google.protobuf.Duration length) {
    return Duration.ofSeconds(length.getSeconds(), length.getNanos());
  }

  static com.google.protobuf.Duration toProto(Duration length) {
    return com.google.protobuf.Duration.newBuilder()
        .setSeconds(length.getSeconds())
        .setNanos(length.getNano())
        .build();
  }
}
