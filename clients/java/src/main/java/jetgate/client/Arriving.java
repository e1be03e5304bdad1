package jetgate.client;

import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.function.BooleanSupplier;

/** Messages as they come, one after the other, until there are no more or the thread is interrupted. */
final class Arriving<T> implements Iterator<T> {
  /** Waits for a message; null when none came in this time. */
  interface Source<T> {
    T receive(Duration timeout) throws InterruptedException;
  }

  private final Source<T> source;
  private final BooleanSupplier isDone;
  private T next;

  Arriving(Source<T> source, BooleanSupplier isDone) {
    this.source = source;
    this.isDone = isDone;
  }

  @Override
  public boolean hasNext() {
    try {
      while (next == null && !isDone.getAsBoolean()) {
        next = source.receive(Duration.ofHours(1));
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
    return next != null;
  }

  @Override
  public T next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    var message = next;
    next = null;
    return message;
  }
}
