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
  // How long the gateway may take to answer what was said before the next session is opened all the same.
  private static final long LAST_TOKENS_NANOS = Duration.ofSeconds(2).toNanos();

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
  // Null until the gateway is about to end the session: when it said so, and when the next is worth an attempt.
  private Long retiredAt;
  private long movesAt;

  Speaking(Settlements book, long session, SessionOpened opened, long now) {
    this.book = book;
    this.session = session;
    pingEvery = Durations.of(opened.getPingWithin()).toNanos() / 3;
    renewEvery = Durations.of(opened.getAckWait()).toNanos() / 4;
    pingAt = now + pingEvery;
  }

  /** The gateway is about to end the session: tokens are renewed at once, as it may end before the next are due. */
  void retire(long now) {
    if (retiredAt == null) {
      retiredAt = now;
      movesAt = now;
      renewAt = renewEvery > 0 ? Long.valueOf(now) : null;
    }
  }

  /** Whether the end of the session was announced: it says nothing of the next then. */
  boolean isRetired() {
    return retiredAt != null;
  }

  /** Whether the next session can take over: what was said is answered, or has had its time, and the tokens are fresh. */
  boolean movesOn(long now) {
    if (retiredAt == null || now - movesAt < 0) {
      return false;
    }
    var areTokensFresh = renewAt == null || (renewals.isEmpty() && now - renewAt < 0);
    return areTokensFresh && (book.hasSaidAll() || now - retiredAt >= LAST_TOKENS_NANOS);
  }

  /** The next session could not be opened: it is tried again after so long. */
  void moveLater(long now, Duration delay) {
    movesAt = now + delay.toNanos();
  }

  /** For how long another session may be opened with the tokens of this one. */
  long offerLasts(boolean offers) {
    return offers && renewEvery > 0 ? 2 * renewEvery : Line.SILENCE_NANOS;
  }

  /** A sign of life, where one is due; null otherwise. */
  ConsumeRequest ping(long now) {
    if (now - pingAt < 0) {
      return null;
    }
    pingAt = now + pingEvery;
    return ConsumeRequest.newBuilder().setPing(Ping.getDefaultInstance()).build();
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

  /** When there may be something to do without anything happening. */
  long wakeAt(long now) {
    var wake = lingersUntil != null && lingersUntil - pingAt < 0 ? lingersUntil : pingAt;
    if (retiredAt != null) {
      for (var at : new long[] {renewAt == null ? pingAt : renewAt, retiredAt + LAST_TOKENS_NANOS, movesAt}) {
        wake = at - now > 0 && at - wake < 0 ? at : wake;
      }
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
    return ping(now);
  }

  private static ConsumeRequest settle(SettleFrame frame) {
    return ConsumeRequest.newBuilder().setSettle(frame).build();
  }
}
