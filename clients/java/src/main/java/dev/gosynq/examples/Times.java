package dev.gosynq.examples;

import java.time.Duration;
import java.time.Instant;

/** Moments from the contract's type, and lengths of time from it and to it. */
final class Times {
  private Times() {}

  static Instant of(com.google.protobuf.Timestamp moment) {
    return Instant.ofEpochSecond(moment.getSeconds(), moment.getNanos());
  }

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
