package jetgate.client;

import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import java.util.function.Function;

/** One stream of requests and responses, from its opening to its end, under the lock of whoever uses it. */
final class Line<Q, R> implements ClientResponseObserver<Q, R> {
  /** How often the gateway is heard of at least. */
  static final Duration HEARTBEAT = Duration.ofSeconds(5);

  static final long SILENCE_NANOS = 3 * HEARTBEAT.toNanos();

  private final Lock lock;
  private final Condition event;
  private final Function<R, Runnable> take;
  private ClientCallStreamObserver<Q> call;
  private R first;
  private boolean ended;
  private boolean paused;
  private JetgateException error;
  private long heardAt = System.nanoTime();

  /**
   * A line that signals {@code event} when its first frame comes and when it ends, and passes every other frame to
   * {@code take}, under the lock; what that returns is run without it.
   */
  Line(Lock lock, Condition event, Function<R, Runnable> take) {
    this.lock = lock;
    this.event = event;
    this.take = take;
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<Q> call) {
    this.call = call;
    call.disableAutoRequestWithInitial(1);
  }

  /**
   * Waits for the first frame; null where the line ended, or is silent, before it came. The lock is held; the next frame is not taken
   * before it is released.
   */
  R first() throws InterruptedException {
    while (first == null && !ended && !isSilent()) {
      event.await(1, TimeUnit.SECONDS);
    }
    if (first != null) {
      call.request(1);
    } else if (!ended) {
      cut();
    }
    return first;
  }

  /** Whether the first frame came: {@link #first()} does not wait for it then. The lock is held. */
  boolean isOpen() {
    return first != null;
  }

  void send(Q frame) {
    call.onNext(frame);
  }

  void halfClose() {
    call.onCompleted();
  }

  /** Asks for no further frame after this one, until {@link #goOn()}. The lock is held. */
  void pause() {
    paused = true;
  }

  /** Takes frames again. The lock is held. */
  void goOn() {
    if (paused) {
      paused = false;
      heardAt = System.nanoTime();
      call.request(1);
    }
  }

  /** Whether nothing was heard for so long that nobody is there. The lock is held. */
  boolean isSilent() {
    return !paused && System.nanoTime() - heardAt > SILENCE_NANOS;
  }

  /** Ends the line from this side. */
  void cut() {
    call.cancel("the gateway is silent, or the caller is done", null);
  }

  boolean isOver() {
    return ended;
  }

  /** Why the line ended; null where it did so in order, or has not. */
  JetgateException error() {
    return error;
  }

  @Override
  public void onNext(R frame) {
    Runnable afterwards = null;
    lock.lock();
    try {
      heardAt = System.nanoTime();
      if (first == null) {
        first = frame;
        event.signalAll();
      } else {
        afterwards = take.apply(frame);
        if (!paused) {
          call.request(1);
        }
      }
    } finally {
      lock.unlock();
    }
    if (afterwards != null) {
      afterwards.run();
    }
  }

  @Override
  public void onError(Throwable problem) {
    end(JetgateException.of(problem));
  }

  @Override
  public void onCompleted() {
    end(null);
  }

  private void end(JetgateException why) {
    lock.lock();
    try {
      ended = true;
      error = why;
      event.signalAll();
    } finally {
      lock.unlock();
    }
  }
}
