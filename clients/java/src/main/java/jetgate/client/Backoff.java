package jetgate.client;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/** Waits longer after each failure, up to two seconds, give or take half. */
final class Backoff {
  private static final long FIRST_MILLIS = 50;
  private static final long MOST_MILLIS = 2000;

  private int failures;

  void worked() {
    failures = 0;
  }

  Duration next(JetgateException error) {
    var millis = Math.min(FIRST_MILLIS << Math.min(failures, 6), MOST_MILLIS);
    failures++;
    var delay = Duration.ofMillis(millis / 2 + ThreadLocalRandom.current().nextLong(millis + 1));
    return error != null && error.retryDelay().compareTo(delay) > 0 ? error.retryDelay() : delay;
  }

  /** Waits for the next attempt; false where there is no time for another, or the thread is interrupted. */
  boolean pause(JetgateException error, long deadlineNanos) {
    var delay = next(error).toNanos();
    if (deadlineNanos - System.nanoTime() <= delay) {
      return false;
    }
    try {
      TimeUnit.NANOSECONDS.sleep(delay);
      return true;
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
