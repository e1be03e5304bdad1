package jetgate.client;

import java.time.Duration;
import java.util.ArrayDeque;
import jetgate.v1.ConsumeRequest;
import jetgate.v1.Drain;
import jetgate.v1.Ping;
import jetgate.v1.SessionOpened;
import jetgate.v1.SettleFrame;

/** What a session says, by the clock, one frame after the other. No I/O, no waiting; the lock of the book is held. */
final class Speaking {
  private static final long LINGER_NANOS = Duration.ofMillis(2).toNanos();

  private final Settlements book;
  private final long session;
  private final long pingEvery;
  private final long renewEvery;
  private long pingAt;
  // Null until the gateway is about to end the session.
  private Long renewAt;
  // Null while nothing waits for company.
  private Long lingersUntil;
  private final ArrayDeque<SettleFrame> renewals = new ArrayDeque<>();
  private boolean saidDrain;

  Speaking(Settlements book, long session, SessionOpened opened, long now) {
    this.book = book;
    this.session = session;
    pingEvery = Durations.of(opened.getPingWithin()).toNanos() / 3;
    renewEvery = Durations.of(opened.getAckWait()).toNanos() / 4;
    pingAt = now + pingEvery;
  }

  /** The gateway is about to end the session: tokens are renewed at once, as it may end before the next are due. */
  void retire(long now) {
    if (renewEvery > 0) {
      renewAt = now;
    }
  }

  /**
   * What is said now; null where there is nothing. Tokens are renewed on time whatever else there is to say, and while handlers work
   * that a drain waits for.
   */
  ConsumeRequest next(long now, boolean draining, boolean closing, boolean isMuch) {
    var frame = choose(now, draining, closing, isMuch);
    if (frame != null) {
      pingAt = now + pingEvery;
    }
    return frame;
  }

  /** When there may be something to say without anything happening. */
  long wakeAt() {
    var wake = pingAt;
    for (var at : new Long[] {renewAt, lingersUntil}) {
      wake = at != null && at - wake < 0 ? at : wake;
    }
    return wake;
  }

  private ConsumeRequest choose(long now, boolean draining, boolean closing, boolean isMuch) {
    if (renewAt != null && now - renewAt >= 0 && !closing) {
      renewAt = now + renewEvery;
      renewals.addAll(book.renewals());
    }
    if (!renewals.isEmpty()) {
      return settle(renewals.poll());
    }
    if (book.unsaid() > 0) {
      lingersUntil = lingersUntil == null ? Long.valueOf(now + LINGER_NANOS) : lingersUntil;
      if (book.isUrgent() || isMuch || draining || now - lingersUntil >= 0) {
        lingersUntil = null;
        return settle(book.frame(session));
      }
    } else if (draining && !closing && !saidDrain) {
      saidDrain = true;
      return ConsumeRequest.newBuilder().setDrain(Drain.getDefaultInstance()).build();
    }
    return now - pingAt >= 0 ? ConsumeRequest.newBuilder().setPing(Ping.getDefaultInstance()).build() : null;
  }

  private static ConsumeRequest settle(SettleFrame frame) {
    return ConsumeRequest.newBuilder().setSettle(frame).build();
  }
}
