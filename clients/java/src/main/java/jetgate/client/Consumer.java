package jetgate.client;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.logging.Level;
import java.util.logging.Logger;
import jetgate.v1.AckKind;
import jetgate.v1.AcknowledgeRequest;
import jetgate.v1.ConsumeOpen;
import jetgate.v1.ConsumeRequest;
import jetgate.v1.ConsumeResponse;
import jetgate.v1.Drain;
import jetgate.v1.Ping;
import jetgate.v1.SessionHeartbeat;
import jetgate.v1.SessionOpened;
import jetgate.v1.StallReason;
import jetgate.v1.SubscriberServiceGrpc;

/**
 * Receives the messages of a durable consumer. Safe for threads, which then share the messages.
 *
 * <p>What is not settled is delivered again, to this or another consumer. When a connection breaks, another is made, on any gateway,
 * and what is worked on stays this consumer's.
 */
public final class Consumer implements AutoCloseable, Iterable<Received> {
  private static final Logger LOG = Logger.getLogger(Consumer.class.getName());
  private static final long LINGER_NANOS = Duration.ofMillis(2).toNanos();
  private static final long LAST_ANSWERS_NANOS = Duration.ofSeconds(5).toNanos();
  private static final Duration DRAIN_WITHIN = Duration.ofSeconds(30);

  private final Client client;
  private final ConsumerOptions options;
  private final ReentrantLock lock = new ReentrantLock();
  // Signalled when the sender should look, and when something came, was settled or ended.
  private final Condition work = lock.newCondition();
  private final Condition changed = lock.newCondition();
  private final ArrayDeque<Received> queue = new ArrayDeque<>();
  private final Settlements book = new Settlements();
  private final Thread sender;
  private long session;
  private boolean wasOpened;
  private boolean isOpen;
  private boolean retiring;
  private boolean draining;
  private boolean closing;
  private boolean over;
  private boolean idle;
  private JetgateException error;
  private JetgateException lastError;
  private SessionHeartbeat heartbeat = SessionHeartbeat.getDefaultInstance();

  Consumer(Client client, String stream, String consumer, ConsumerOptions options) {
    this.client = client;
    this.options = options;
    var open = options.open(stream, consumer, client.name());
    sender = new Thread(() -> run(open), "jetgate-consumer");
    sender.setDaemon(true);
    sender.start();
    awaitOpened();
  }

  /** The next message; null when none came in this time, or when the consumer was drained or closed. */
  public Received receive(Duration timeout) throws InterruptedException {
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

  /** Messages as they come, until the consumer is drained or closed. */
  @Override
  public Iterator<Received> iterator() {
    return new Iterator<>() {
      private Received next;

      @Override
      public boolean hasNext() {
        try {
          while (next == null && !isDone()) {
            next = receive(Duration.ofHours(1));
          }
        } catch (InterruptedException interrupted) {
          Thread.currentThread().interrupt();
        }
        return next != null;
      }

      @Override
      public Received next() {
        if (!hasNext()) {
          throw new NoSuchElementException();
        }
        var message = next;
        next = null;
        return message;
      }
    };
  }

  /**
   * Calls the handler for each message, {@code concurrency} of them at a time, until {@link #drain} or {@link #close}; when the
   * thread is interrupted it drains, for at most half a minute. A message whose handler returns is acknowledged, unless the handler
   * has settled it; one whose handler throws comes again after a second.
   */
  public void run(int concurrency, Handler handler) {
    var workers = new ArrayList<Thread>();
    for (var number = 0; number < concurrency; number++) {
      var worker = new Thread(() -> work(handler), "jetgate-handler-" + number);
      worker.start();
      workers.add(worker);
    }
    try {
      for (var worker : workers) {
        worker.join();
      }
    } catch (InterruptedException interrupted) {
      drain(DRAIN_WITHIN);
      Thread.currentThread().interrupt();
      return;
    }
    if (error != null) {
      throw error;
    }
  }

  /**
   * Asks for no more messages and waits until all that were handed out are settled, then ends the session. False when that was not so
   * in this time: what was left is delivered again.
   */
  public boolean drain(Duration timeout) {
    var left = timeout.toNanos();
    boolean settled;
    lock.lock();
    try {
      stopDeliveries();
      while (!over && (book.held() > 0 || book.unsaid() > 0) && left > 0) {
        left = changed.awaitNanos(left);
      }
      settled = book.held() == 0 && book.unsaid() == 0;
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      settled = false;
    } finally {
      lock.unlock();
    }
    close();
    return settled;
  }

  /** Ends the session at once. Settlements that were given are still sent; what is not settled goes to others. */
  @Override
  public void close() {
    lock.lock();
    try {
      stopDeliveries();
      closing = true;
      var left = isOpen ? LAST_ANSWERS_NANOS : 0;
      while (!over && left > 0) {
        left = changed.awaitNanos(left);
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    } finally {
      lock.unlock();
    }
    sender.interrupt();
  }

  /** How many messages wait for the consumer, as last heard. */
  public long pending() {
    return heartbeat.getPending();
  }

  /** Why nothing comes, as last heard: "WINDOW_FULL", "PAUSED" and so on; empty when nothing stalls. */
  public String stall() {
    var reason = heartbeat.getStallReason();
    return reason == StallReason.STALL_REASON_UNSPECIFIED ? "" : reason.name().substring("STALL_REASON_".length());
  }

  void settle(Settlements.Word word) {
    lock.lock();
    try {
      if (!book.say(word)) {
        return;
      }
      if (idle && (book.unsaid() == 1 || book.isUrgent() || isMuch())) {
        work.signal();
      }
      if (draining) {
        changed.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }

  void confirm(Received message) {
    var request = AcknowledgeRequest.newBuilder();
    lock.lock();
    try {
      request.addAcknowledgements(Settlements.byToken(message, AckKind.ACK_KIND_ACK));
    } finally {
      lock.unlock();
    }
    var stub = client.stub(SubscriberServiceGrpc.newBlockingStub(client.channel()));
    var result = Client.call(() -> stub.acknowledge(request.build())).getResults(0);
    if (result.getCode() != 0) {
      throw JetgateException.of(result);
    }
    lock.lock();
    try {
      book.settled(message);
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void awaitOpened() {
    var left = options.openTimeout().toNanos();
    lock.lock();
    try {
      while (!wasOpened && !over && left > 0) {
        left = changed.awaitNanos(left);
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    } finally {
      lock.unlock();
    }
    if (!wasOpened) {
      sender.interrupt();
      throw error != null
          ? error
          : lastError != null ? lastError : JetgateException.closed("consumer");
    }
  }

  private boolean isDone() {
    lock.lock();
    try {
      return queue.isEmpty() && isEnding() && error == null;
    } finally {
      lock.unlock();
    }
  }

  private boolean isEnding() {
    return draining || over;
  }

  private boolean isMuch() {
    return book.unsaid() >= Math.max(1, options.maxOutstanding() / 4);
  }

  private void stopDeliveries() {
    draining = true;
    queue.forEach(book::leave);
    queue.clear();
    work.signalAll();
    changed.signalAll();
  }

  private void work(Handler handler) {
    for (var message : this) {
      try {
        handler.handle(message);
        message.ack();
      } catch (Exception failed) {
        LOG.log(Level.WARNING, failed, () -> "the handler failed, " + message + " comes again");
        message.nak(Duration.ofSeconds(1));
      }
    }
  }

  /** Opens one session after the other. */
  private void run(ConsumeOpen.Builder open) {
    var backoff = new Backoff();
    JetgateException why = null;
    try {
      do {
        if (why != null) {
          TimeUnit.NANOSECONDS.sleep(backoff.next(why).toNanos());
        }
        why = session(open, backoff);
      } while (goesOn(why));
    } catch (InterruptedException interrupted) {
      why = JetgateException.closed("consumer");
    } catch (RuntimeException unexpected) {
      why = JetgateException.of(unexpected);
    }
    lock.lock();
    try {
      over = true;
      error = closing || draining ? null : why;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private boolean goesOn(JetgateException why) {
    lock.lock();
    try {
      isOpen = false;
      lastError = why;
      return !closing && (why == null ? !draining : !why.isForGood());
    } finally {
      lock.unlock();
    }
  }

  /** One stream from its opening to its end; returns why it ended, null where it did so in order. */
  private JetgateException session(ConsumeOpen.Builder open, Backoff backoff) throws InterruptedException {
    var line = new Line<ConsumeRequest, ConsumeResponse>(lock, work, this::take);
    SessionOpened opened;
    lock.lock();
    try {
      retiring = false;
      var offered = book.offer(options.maxOutstanding());
      open.clearHeld();
      offered.forEach(message -> open.addHeld(message.token));
      client.authorised(SubscriberServiceGrpc.newStub(client.channel())).consume(line);
      line.send(ConsumeRequest.newBuilder().setOpen(open).build());
      var first = line.first();
      if (first == null) {
        return line.error();
      }
      opened = first.getOpened();
      queue.removeAll(book.adopted(offered, opened));
      session++;
      wasOpened = isOpen = true;
      changed.signalAll();
      backoff.worked();
    } finally {
      lock.unlock();
    }
    var speaks = new Speaking(line, opened);
    try {
      for (var frame = speaks.next(); frame != null; frame = speaks.next()) {
        line.send(frame);
        said();
      }
    } catch (InterruptedException interrupted) {
      line.cut();
      throw interrupted;
    }
    return line.error();
  }

  private void said() {
    lock.lock();
    try {
      if (draining) {
        changed.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }

  /** Takes a frame of the gateway; the lock is held. */
  private Runnable take(ConsumeResponse response) {
    switch (response.getFrameCase()) {
      case MESSAGES -> {
        if (!draining) {
          for (var raw : response.getMessages().getMessagesList()) {
            var message = new Received(raw, this, session);
            book.delivered(message);
            queue.add(message);
          }
          changed.signalAll();
        }
      }
      case SETTLED -> book.answered(response.getSettled());
      case HEARTBEAT -> heartbeat = response.getHeartbeat();
      case DRAINING -> {
        retiring = true;
        work.signal();
      }
      default -> {}
    }
    return null;
  }

  /** What a session says, one frame after the other. */
  private final class Speaking {
    private final Line<ConsumeRequest, ConsumeResponse> line;
    private final long pingAfter;
    private final long renewAfter;
    private boolean saidDrain;
    private boolean renews;

    Speaking(Line<ConsumeRequest, ConsumeResponse> line, SessionOpened opened) {
      this.line = line;
      pingAfter = Durations.of(opened.getPingWithin()).toNanos() / 3;
      renewAfter = opened.hasAckWait() ? Durations.of(opened.getAckWait()).toNanos() / 4 : pingAfter;
    }

    /** Waits for what is to be said; null at the end of the stream. */
    ConsumeRequest next() throws InterruptedException {
      lock.lockInterruptibly();
      try {
        var begun = System.nanoTime();
        var lingersUntil = 0L;
        while (!line.isOver()) {
          var now = System.nanoTime();
          var pingAt = begun + (retiring ? Math.min(pingAfter, renewAfter) : pingAfter);
          if (book.unsaid() > 0) {
            lingersUntil = lingersUntil == 0 ? now + LINGER_NANOS : lingersUntil;
            if (book.isUrgent() || isMuch() || draining || now >= lingersUntil) {
              return ConsumeRequest.newBuilder().setSettle(book.frame(session)).build();
            }
          } else if (closing) {
            return halfClose();
          } else if (draining && !saidDrain) {
            saidDrain = true;
            return ConsumeRequest.newBuilder().setDrain(Drain.getDefaultInstance()).build();
          }
          if (line.isSilent()) {
            line.cut();
            work.await(1, TimeUnit.SECONDS);
            return null;
          }
          if (retiring && !renews) {
            renews = true; // at once: the session may end before the next is due
            return signOfLife();
          }
          if (now >= pingAt) {
            return signOfLife();
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

    private ConsumeRequest halfClose() throws InterruptedException {
      line.halfClose();
      var left = LAST_ANSWERS_NANOS;
      while (!line.isOver() && left > 0) {
        left = work.awaitNanos(left);
      }
      return null;
    }

    private ConsumeRequest signOfLife() {
      var renewals = retiring && !draining ? book.renewals() : null;
      return renewals == null
          ? ConsumeRequest.newBuilder().setPing(Ping.getDefaultInstance()).build()
          : ConsumeRequest.newBuilder().setSettle(renewals).build();
    }
  }
}
