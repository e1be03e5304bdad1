package jetgate.client;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;

/**
 * The messages of a consumer: those that wait to be handed out, those that are held, and whoever waits for either. Its lock guards all
 * that belongs to the consumer.
 */
final class Inbox {
  final ReentrantLock lock = new ReentrantLock();
  /** Signalled when the sender should look. */
  final Condition work = lock.newCondition();
  /** Signalled when something came, was settled or ended. */
  final Condition changed = lock.newCondition();

  final Settlements book = new Settlements();
  private final int window;
  private final ArrayDeque<Received> queue = new ArrayDeque<>();
  private boolean draining;
  private boolean ended;
  private boolean senderIsIdle;
  private JetgateException error;

  Inbox(int window) {
    this.window = window;
  }

  /** The next message; null when none came in this time, or none will. */
  Received receive(Duration timeout) throws InterruptedException {
    var left = timeout.toNanos();
    lock.lockInterruptibly();
    try {
      while (queue.isEmpty() && !isEnding() && left > 0) {
        left = changed.awaitNanos(left);
      }
      var message = queue.poll();
      if (message == null && error != null) {
        throw error;
      }
      return message;
    } finally {
      lock.unlock();
    }
  }

  boolean isDone() {
    lock.lock();
    try {
      return queue.isEmpty() && isEnding() && error == null;
    } finally {
      lock.unlock();
    }
  }

  /** What ended the consumer; null in order. */
  JetgateException error() {
    lock.lock();
    try {
      return error;
    } finally {
      lock.unlock();
    }
  }

  void settle(Settlements.Word word) {
    lock.lock();
    try {
      if (!book.say(word)) {
        return;
      }
      if (senderIsIdle && (book.unsaid() == 1 || book.isUrgent() || isMuch())) {
        work.signal();
      }
      tellDrain();
    } finally {
      lock.unlock();
    }
  }

  /** A message was settled by a call. */
  void settled(Received message) {
    lock.lock();
    try {
      book.settled(message);
      tellDrain();
    } finally {
      lock.unlock();
    }
  }

  // The lock is held by whoever calls the following.

  void arrived(Collection<Received> messages) {
    if (!draining) {
      messages.forEach(book::delivered);
      queue.addAll(messages);
      changed.signalAll();
    }
  }

  /** Others get these. */
  void lost(Collection<Received> messages) {
    queue.removeAll(messages);
  }

  /** Hands out nothing any more: what nobody has seen yet is left to others. */
  void drain() {
    draining = true;
    queue.forEach(book::leave);
    queue.clear();
    work.signalAll();
    changed.signalAll();
  }

  /** There will be no other session. */
  void end(JetgateException why) {
    ended = true;
    error = draining ? null : why;
    changed.signalAll();
  }

  boolean isDraining() {
    return draining;
  }

  boolean hasEnded() {
    return ended;
  }

  /** Whether so much is to be said that it does not wait for more. */
  boolean isMuch() {
    return book.unsaid() >= Math.max(1, window / 4);
  }

  /** Something was said, for which a drain may wait. */
  void tellDrain() {
    if (draining) {
      changed.signalAll();
    }
  }

  /** Waits for something to say. */
  void awaitWork(long nanos) throws InterruptedException {
    senderIsIdle = true;
    try {
      work.awaitNanos(Math.max(1, nanos));
    } finally {
      senderIsIdle = false;
    }
  }

  /** Waits for it, for so long at most. An interrupted thread does not wait. */
  boolean await(BooleanSupplier until, Duration within) {
    var left = within.toNanos();
    try {
      while (!until.getAsBoolean() && left > 0) {
        left = changed.awaitNanos(left);
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
    return until.getAsBoolean();
  }

  private boolean isEnding() {
    return draining || ended;
  }
}
