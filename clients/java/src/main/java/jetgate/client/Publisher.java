package jetgate.client;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import jetgate.v1.Ping;
import jetgate.v1.PublishAcks;
import jetgate.v1.PublishFrame;
import jetgate.v1.PublishOpen;
import jetgate.v1.PublishOpened;
import jetgate.v1.PublishStreamRequest;
import jetgate.v1.PublishStreamResponse;
import jetgate.v1.PublisherServiceGrpc;

/**
 * Sends messages in batches and tells of each what became of it. Safe for threads.
 *
 * <p>When a connection breaks, another is made, on any gateway, and what is unanswered is sent again under the same message ids:
 * it is stored once, as long as the stream remembers them. While no gateway answers, messages wait. They are sent in the order of
 * {@code publish}; one that has to be tried again may be stored behind later ones.
 *
 * <p>Futures are completed by a thread of the connection: dependent stages that take long belong on an executor.
 */
public final class Publisher implements AutoCloseable {
  private static final Duration LAST_ANSWERS = Duration.ofSeconds(30);

  private final Client client;
  private final PublisherOptions options;
  private final ReentrantLock lock = new ReentrantLock();
  // Signalled when the sender should look, and when there is room again or everything is answered.
  private final Condition work = lock.newCondition();
  private final Condition answered = lock.newCondition();
  private final Ledger ledger = new Ledger();
  private final ArrayDeque<Ledger.Frame> again = new ArrayDeque<>();
  private final Thread sender;
  private boolean draining;
  private boolean hurry;
  private boolean idle;
  private boolean closing;
  private JetgateException error;
  // What the ids of messages without one are made of, with their numbers.
  private volatile String producer = "";

  Publisher(Client client, PublisherOptions options) {
    this.client = client;
    this.options = options;
    sender = new Thread(this::run, "jetgate-publisher");
    sender.setDaemon(true);
    sender.start();
  }

  /**
   * Hands a message over. Waits while too much is unanswered. An exception means that the message is not published; what becomes
   * of it otherwise is in the future, whose exception is a {@link JetgateException}.
   */
  public CompletableFuture<PublishResult> publish(Message message) throws InterruptedException {
    var entry = new Ledger.Entry(message.request(), message.size());
    lock.lockInterruptibly();
    try {
      while (error == null && !closing && isFull(entry.size)) {
        hurry = true;
        work.signal();
        answered.await();
      }
      if (error != null) {
        throw error;
      }
      if (closing) {
        throw JetgateException.closed("publisher");
      }
      ledger.add(entry);
      if (idle && (ledger.waiting() == 1 || ledger.waiting() == options.batchMessages())) {
        work.signal();
      }
      return entry.future;
    } finally {
      lock.unlock();
    }
  }

  /** Waits until everything that was handed over is answered. What failed says so in its future. */
  public void flush() throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (ledger.messages() > 0 && error == null) {
        hurry = true;
        work.signal();
        answered.await();
      }
      if (error != null) {
        throw error;
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * Flushes and ends the publisher. What is not answered after half a minute fails, and so does what is not when the thread is
   * interrupted; its outcome is unknown then.
   */
  @Override
  public void close() {
    lock.lock();
    try {
      closing = true;
      hurry = true;
      var left = LAST_ANSWERS.toNanos();
      while (ledger.messages() > 0 && error == null && left > 0) {
        work.signal();
        left = answered.awaitNanos(left);
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    } finally {
      lock.unlock();
    }
    fail(JetgateException.closed("publisher"));
    try {
      sender.join(5000);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private boolean isFull(int size) {
    return ledger.messages() >= options.maxInFlight()
        || (ledger.messages() > 0 && ledger.bytes() + size > options.maxInFlightBytes());
  }

  /** Ends the publisher: what is unanswered fails. A message that was sent may be stored. */
  private void fail(JetgateException why) {
    var failed = new ArrayList<Runnable>();
    lock.lock();
    try {
      error = error == null ? why : error;
      ledger.fail(
          (number, entry) -> {
            var unknown = entry.wasSent ? JetgateException.outcomeUnknown(why.getMessage(), id(number, entry)) : why;
            failed.add(() -> entry.future.completeExceptionally(unknown));
          });
      work.signalAll();
      answered.signalAll();
    } finally {
      lock.unlock();
    }
    failed.forEach(Runnable::run);
  }

  /** Keeps a stream open as long as there is something to send. */
  private void run() {
    var open = options.open(client.name());
    var backoff = new Backoff();
    try {
      while (awaitWork()) {
        var why = session(open, backoff);
        if (error != null) {
          return;
        }
        // An end that was announced, with everything answered, says nothing of the next stream.
        if (why != null && why.isForGood() && !draining) {
          fail(why);
          return;
        }
        // What has no id may not be sent again.
        var reason = why == null ? "the stream ended" : why.getMessage();
        giveUp(entry -> options.messageIds() || !entry.request.getMessageId().isEmpty(), reason);
        TimeUnit.NANOSECONDS.sleep(backoff.next(why).toNanos());
      }
    } catch (InterruptedException interrupted) {
      fail(JetgateException.closed("publisher"));
    } catch (RuntimeException unexpected) {
      fail(JetgateException.of(unexpected));
    }
  }

  private boolean awaitWork() throws InterruptedException {
    lock.lock();
    try {
      idle = true;
      while (ledger.messages() == 0 && error == null) {
        work.await();
      }
      idle = false;
      return error == null;
    } finally {
      lock.unlock();
    }
  }

  /** Takes out, of all that was ever sent, what would not be safe to send again. */
  private void giveUp(Predicate<Ledger.Entry> isSafe, String why) {
    var given = new ArrayList<Runnable>();
    lock.lock();
    try {
      ledger.giveUp(
          isSafe,
          (number, entry) -> {
            var unknown = JetgateException.outcomeUnknown(why, id(number, entry));
            given.add(() -> entry.future.completeExceptionally(unknown));
          });
      answered.signalAll();
    } finally {
      lock.unlock();
    }
    given.forEach(Runnable::run);
  }

  /**
   * Takes up a stream that is open now, and prepares what is unanswered to be sent again. What its stream may have forgotten the id
   * of is given up: it might be stored twice.
   */
  private void begin(PublishOpen.Builder open, PublishOpened opened) {
    if (!opened.getProducerId().isEmpty()) {
      open.setProducerId(opened.getProducerId()).setResume(true);
      producer = opened.getProducerId();
    }
    var remembers = opened.hasDuplicateWindow() ? Durations.of(opened.getDuplicateWindow()) : Ledger.USUAL_WINDOW;
    giveUp(entry -> !Ledger.mayBeForgotten(entry.sentAt, remembers), "its stream may have forgotten the id");
    lock.lock();
    try {
      again.clear();
      again.addAll(ledger.again(options.batchMessages(), options.batchBytes()));
    } finally {
      lock.unlock();
    }
  }

  /** One stream from its opening to its end; returns why it ended, null where it did so in order. */
  private JetgateException session(PublishOpen.Builder open, Backoff backoff) throws InterruptedException {
    draining = false;
    var line = new Line<PublishStreamRequest, PublishStreamResponse>(lock, work, this::take);
    client.authorised(PublisherServiceGrpc.newStub(client.channel())).publishStream(line);
    line.send(PublishStreamRequest.newBuilder().setOpen(open).build());
    PublishStreamResponse first;
    lock.lock();
    try {
      first = line.first();
    } finally {
      lock.unlock();
    }
    if (first == null) {
      return line.error();
    }
    backoff.worked();
    var opened = first.getOpened();
    begin(open, opened);
    var pingAfter = Durations.of(opened.getPingWithin()).toNanos() / 3;
    while (true) {
      var frame = next(line, pingAfter);
      if (frame == null) {
        return line.error();
      }
      line.send(frame);
    }
  }

  /** Waits for what is to be sent next; null at the end of the stream. */
  private PublishStreamRequest next(Line<PublishStreamRequest, PublishStreamResponse> line, long pingAfter)
      throws InterruptedException {
    lock.lock();
    try {
      var pingAt = System.nanoTime() + pingAfter;
      var lingersUntil = 0L;
      while (!line.isOver()) {
        var now = System.nanoTime();
        if (error != null) {
          line.halfClose();
          return null;
        }
        if (!draining && !again.isEmpty()) {
          return frame(again.poll());
        }
        if (!draining && ledger.waiting() > 0) {
          lingersUntil = lingersUntil == 0 ? now + options.linger().toNanos() : lingersUntil;
          if (hurry || isAlone() || isBatch() || now >= lingersUntil) {
            return frame(ledger.take(options.batchMessages(), options.batchBytes(), now));
          }
        } else {
          hurry = closing;
        }
        if (line.isSilent()) {
          line.cut();
          work.await(1, TimeUnit.SECONDS);
          return null;
        }
        if (now >= pingAt) {
          return PublishStreamRequest.newBuilder().setPing(Ping.getDefaultInstance()).build();
        }
        idle = true;
        work.awaitNanos(Math.max(1, (lingersUntil == 0 ? pingAt : Math.min(lingersUntil, pingAt)) - now));
        idle = false;
      }
      return null;
    } finally {
      idle = false;
      lock.unlock();
    }
  }

  private boolean isAlone() {
    return ledger.messages() == ledger.waiting();
  }

  private boolean isBatch() {
    return ledger.waiting() >= options.batchMessages();
  }

  private static PublishStreamRequest frame(Ledger.Frame frame) {
    var messages = PublishFrame.newBuilder().setFirstNumber(frame.firstNumber()).addAllMessages(frame.messages());
    return PublishStreamRequest.newBuilder().setMessages(messages).build();
  }

  /** Takes a frame of the gateway; the lock is held. Returns what tells the callers. */
  private Runnable take(PublishStreamResponse response) {
    switch (response.getFrameCase()) {
      case ACKS -> {
        return answer(response.getAcks());
      }
      case DRAINING -> draining = true;
      default -> {}
    }
    return null;
  }

  private Runnable answer(PublishAcks acks) {
    var outcomes = new ArrayList<Runnable>();
    for (var stored : acks.getStoredList()) {
      var stream = stored.getStream().isEmpty() ? options.stream() : stored.getStream();
      for (var number = stored.getFirstNumber(); number <= stored.getLastNumber(); number++) {
        var sequence = stored.getFirstSequence() + number - stored.getFirstNumber();
        store(outcomes, number, stream, sequence, stored.getDuplicate());
      }
    }
    for (var failed : acks.getFailedList()) {
      for (var number = failed.getFirstNumber(); number <= failed.getLastNumber(); number++) {
        var entry = ledger.answer(number);
        if (entry != null) {
          var why = JetgateException.of(failed.getStatus());
          // Where it was sent before, that may have stored it.
          var known = entry.inDoubt ? why.asOutcomeUnknown(id(number, entry)) : why;
          outcomes.add(() -> entry.future.completeExceptionally(known));
        }
      }
    }
    if (options.cumulative()) {
      var last = Math.min(acks.getSettledThrough(), ledger.last());
      for (var number = ledger.first(); number <= last; number++) {
        store(outcomes, number, options.stream(), 0, false);
      }
    }
    ledger.forget();
    answered.signalAll();
    return () -> outcomes.forEach(Runnable::run);
  }

  private void store(List<Runnable> outcomes, long number, String stream, long sequence, boolean duplicate) {
    var entry = ledger.answer(number);
    if (entry == null) {
      return;
    }
    var result = new PublishResult(stream, sequence, duplicate, id(number, entry));
    outcomes.add(() -> entry.future.complete(result));
  }

  /** The id that the message of this number is stored with; empty where it has none. */
  private String id(long number, Ledger.Entry entry) {
    var own = entry.request.getMessageId();
    return own.isEmpty() && !producer.isEmpty() ? producer + ":" + number : own;
  }
}
