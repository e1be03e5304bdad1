package jetgate.client;

import io.grpc.Status;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import java.util.function.BiConsumer;
import jetgate.v1.ConsumeRequest;
import jetgate.v1.ConsumeResponse;
import jetgate.v1.SessionOpened;

/** A session of a consumer that is open, or is being opened. */
final class ConsumeSession {
  final Line<ConsumeRequest, ConsumeResponse> line;
  // What it was asked to take over, by these tokens; there may be fresh ones since.
  final List<Received> offered;
  final List<String> tokens;
  private final long begunAt = System.nanoTime();
  long number;
  Speaking speaking;

  /** A session that is asked to take over what is offered, and passes what comes, under the lock. */
  ConsumeSession(
      Lock lock, Condition event, BiConsumer<ConsumeSession, ConsumeResponse> take, List<Received> offered) {
    this.offered = offered;
    tokens = offered.stream().map(message -> message.token).toList();
    line =
        new Line<>(
            lock,
            event,
            response -> {
              take.accept(this, response);
              return null;
            });
  }

  void begin(Settlements book, long number, SessionOpened opened) {
    this.number = number;
    speaking = new Speaking(book, number, opened, System.nanoTime());
  }

  /** Whether the tokens that were offered are too old by now: then it is tried again with fresh ones. */
  boolean isLate(long now, Speaking before) {
    return !line.isOpen() && now - begunAt > before.offerLasts(!offered.isEmpty());
  }

  /** Why it ended; null in order. An end that was announced says nothing of the next session. */
  JetgateException end() {
    var why = line.error();
    return why != null && speaking.isRetired()
        ? JetgateException.local(Status.Code.UNAVAILABLE, "", why.getMessage())
        : why;
  }
}
