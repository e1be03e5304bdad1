package jetgate.client;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import jetgate.v1.AckKind;
import jetgate.v1.ConsumeOpen;
import jetgate.v1.ConsumeRequest;
import jetgate.v1.ConsumeResponse;
import jetgate.v1.SessionHeartbeat;
import jetgate.v1.SubscriberServiceGrpc;

/** The engine of a consumer: one session after the other, in a thread of its own, and what is to be said at the end. */
final class Consuming {
  // How long the gateway may take to answer what was said last.
  private static final Duration LAST_ANSWERS = Duration.ofSeconds(5);
  // How long it may take then to say to any gateway what was not answered.
  private static final Duration LAST_CALLS = Duration.ofSeconds(10);

  private final Client client;
  private final ConsumerOptions options;
  private final ConsumeOpen.Builder open;
  private final Inbox inbox;
  private final Settlements book;
  private final ReentrantLock lock;
  private final Thread sender;
  private long session;
  private Speaking speaking;
  private boolean wasOpened;
  private boolean isOpen;
  private boolean closing;
  private boolean endedInOrder;
  // All is said that can be, but for so much.
  private boolean over;
  private int unheard;
  private JetgateException lastError;
  private volatile SessionHeartbeat heartbeat = SessionHeartbeat.getDefaultInstance();

  Consuming(Client client, ConsumerOptions options, ConsumeOpen.Builder open) {
    this.client = client;
    this.options = options;
    this.open = open;
    inbox = new Inbox(options.maxOutstanding());
    book = inbox.book;
    lock = inbox.lock;
    sender = new Thread(this::run, "jetgate-consumer");
    sender.setDaemon(true);
  }

  /** Opens the first session, and throws what keeps it from being opened. */
  void start() {
    sender.start();
    lock.lock();
    try {
      inbox.await(() -> wasOpened || inbox.hasEnded(), options.openTimeout());
      if (wasOpened) {
        return;
      }
      sender.interrupt();
      var error = inbox.error();
      throw error != null ? error : lastError != null ? lastError : JetgateException.closed("consumer");
    } finally {
      lock.unlock();
    }
  }

  Inbox inbox() {
    return inbox;
  }

  SessionHeartbeat heartbeat() {
    return heartbeat;
  }

  void settle(Settlements.Word word) {
    inbox.settle(word);
  }

  /** Acknowledges, and returns once JetStream has it. */
  void confirm(Received message) {
    new Acknowledging(client).one(Settlements.Word.of(message, AckKind.ACK_KIND_ACK));
    inbox.settled(message);
  }

  boolean drain(Duration timeout) {
    boolean settled;
    lock.lock();
    try {
      inbox.drain();
      inbox.await(() -> inbox.hasEnded() || isSettled(), timeout);
      settled = inbox.hasEnded() ? endedInOrder : isSettled();
    } finally {
      lock.unlock();
    }
    close();
    return settled && unheard == 0;
  }

  private boolean isSettled() {
    return book.held() == 0 && book.unsaid() == 0;
  }

  void close() {
    lock.lock();
    try {
      inbox.drain();
      closing = true;
      if (isOpen) {
        inbox.await(inbox::hasEnded, LAST_ANSWERS);
      }
      if (!inbox.hasEnded()) {
        sender.interrupt();
      }
      inbox.await(() -> over, LAST_ANSWERS.plus(LAST_CALLS));
    } finally {
      lock.unlock();
    }
  }

  /** Opens one session after the other, and passes on at the end what none of them has answered. */
  private void run() {
    var backoff = new Backoff();
    JetgateException why = null;
    try {
      do {
        if (why != null) {
          TimeUnit.NANOSECONDS.sleep(backoff.next(why).toNanos());
        }
        why = session(backoff);
      } while (goesOn(why));
    } catch (InterruptedException interrupted) {
      why = JetgateException.closed("consumer");
    } catch (RuntimeException unexpected) {
      why = JetgateException.of(unexpected);
    }
    var failed = new Acknowledging(client).all(end(why), LAST_CALLS);
    lock.lock();
    try {
      unheard = failed;
      over = true;
      inbox.changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private boolean goesOn(JetgateException why) {
    lock.lock();
    try {
      isOpen = false;
      book.moved();
      lastError = why;
      return !closing && (why == null ? !inbox.isDraining() : !why.isForGood());
    } finally {
      lock.unlock();
    }
  }

  /** There will be no other session; returns what is left to be said, undisturbed by whoever wanted the last one to end. */
  private List<Settlements.Word> end(JetgateException why) {
    lock.lock();
    try {
      Thread.interrupted();
      endedInOrder = why == null;
      inbox.end(why);
      return book.left();
    } finally {
      lock.unlock();
    }
  }

  /** One stream from its opening to its end; returns why it ended, null where it did so in order. */
  private JetgateException session(Backoff backoff) throws InterruptedException {
    var line = new Line<ConsumeRequest, ConsumeResponse>(lock, inbox.work, this::take);
    try {
      if (begin(line)) {
        backoff.worked();
        for (var frame = awaitFrame(line); frame != null; frame = awaitFrame(line)) {
          line.send(frame);
          said();
        }
      }
    } catch (InterruptedException interrupted) {
      line.cut();
      throw interrupted;
    }
    return line.error();
  }

  /** Opens a session that takes over what is held; false where it could not be opened. */
  private boolean begin(Line<ConsumeRequest, ConsumeResponse> line) throws InterruptedException {
    lock.lock();
    try {
      var offered = book.offer(options.maxOutstanding());
      open.clearHeld();
      offered.forEach(message -> open.addHeld(message.token));
      client.authorised(SubscriberServiceGrpc.newStub(client.channel())).consume(line);
      line.send(ConsumeRequest.newBuilder().setOpen(open).build());
      var first = line.first();
      if (first == null) {
        return false;
      }
      var opened = first.getOpened();
      inbox.lost(book.adopted(offered, opened));
      session++;
      speaking = new Speaking(book, session, opened, System.nanoTime());
      wasOpened = isOpen = true;
      inbox.changed.signalAll();
      return true;
    } finally {
      lock.unlock();
    }
  }

  /** Waits for what is to be said; null at the end of the stream. */
  private ConsumeRequest awaitFrame(Line<ConsumeRequest, ConsumeResponse> line) throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (!line.isOver()) {
        var now = System.nanoTime();
        var frame = speaking.next(now, inbox.isDraining(), closing, inbox.isMuch());
        if (frame != null) {
          return frame;
        }
        if (closing && book.unsaid() == 0) {
          return halfClose(line);
        }
        if (line.isSilent()) {
          line.cut();
          inbox.awaitWork(TimeUnit.SECONDS.toNanos(1));
          return null;
        }
        inbox.awaitWork(speaking.wakeAt() - now);
      }
      return null;
    } finally {
      lock.unlock();
    }
  }

  private ConsumeRequest halfClose(Line<ConsumeRequest, ConsumeResponse> line) throws InterruptedException {
    line.halfClose();
    var deadline = System.nanoTime() + LAST_ANSWERS.toNanos();
    while (!line.isOver() && deadline - System.nanoTime() > 0) {
      inbox.awaitWork(deadline - System.nanoTime());
    }
    if (!line.isOver()) {
      line.cut();
    }
    return null;
  }

  private void said() {
    lock.lock();
    try {
      inbox.tellDrain();
    } finally {
      lock.unlock();
    }
  }

  /** Takes a frame of the gateway; the lock is held. */
  private Runnable take(ConsumeResponse response) {
    switch (response.getFrameCase()) {
      case MESSAGES -> {
        var messages = response.getMessages().getMessagesList();
        inbox.arrived(messages.stream().map(raw -> new Received(raw, this, session)).toList());
      }
      case SETTLED -> book.answered(response.getSettled());
      case HEARTBEAT -> heartbeat = response.getHeartbeat();
      case DRAINING -> {
        speaking.retire(System.nanoTime());
        inbox.work.signal();
      }
      default -> {}
    }
    return null;
  }
}
