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
  // How often to look whether a session that is being opened takes too long.
  private static final long SLOWLY = Duration.ofMillis(250).toNanos();

  private final Client client;
  private final ConsumerOptions options;
  private final ConsumeOpen.Builder open;
  private final Inbox inbox;
  private final Settlements book;
  private final ReentrantLock lock;
  private final Thread sender;
  private final Backoff patience = new Backoff();
  private long sessions;
  // The session that is being opened beside one that its gateway is about to end, and one that was left.
  private ConsumeSession next;
  private ConsumeSession leaving;
  private long leavesUntil;
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

  /** Sessions that follow one another without a pause; returns why the last one ended, null where it did so in order. */
  private JetgateException session(Backoff backoff) throws InterruptedException {
    var current = open();
    try {
      if (!begins(current)) {
        return current.line.error();
      }
      backoff.worked();
      while (true) {
        var frame = awaitFrame(current);
        if (frame != null) {
          current.line.send(frame);
          said();
        } else if (next == null || !begins(next)) {
          return current.end();
        } else {
          leave(current);
          current = next;
          next = null;
        }
      }
    } catch (InterruptedException interrupted) {
      current.line.cut();
      throw interrupted;
    } finally {
      if (next != null) {
        next.line.cut();
        next = null;
      }
    }
  }

  /** Opens a session that is asked to take over what is held. */
  private ConsumeSession open() {
    lock.lock();
    try {
      var session = new ConsumeSession(lock, inbox.work, this::take, book.offer(options.maxOutstanding()));
      open.clearHeld();
      open.addAllHeld(session.tokens);
      client.authorised(SubscriberServiceGrpc.newStub(client.channel())).consume(session.line);
      session.line.send(ConsumeRequest.newBuilder().setOpen(open).build());
      return session;
    } finally {
      lock.unlock();
    }
  }

  /** Waits until a session is open, and goes over to it; false where it could not be opened. */
  private boolean begins(ConsumeSession session) throws InterruptedException {
    lock.lock();
    try {
      var first = session.line.first();
      if (first == null) {
        return false;
      }
      var opened = first.getOpened();
      book.moved();
      inbox.lost(book.adopted(session.offered, session.tokens, opened));
      session.begin(book, ++sessions, opened);
      wasOpened = isOpen = true;
      inbox.changed.signalAll();
      return true;
    } finally {
      lock.unlock();
    }
  }

  /** Lets the gateway end a session whose everything is with the next one. */
  private void leave(ConsumeSession session) {
    session.line.halfClose();
    leaving = session;
    leavesUntil = System.nanoTime() + LAST_ANSWERS.toNanos();
  }

  /** Waits for what is to be said; null at the end of the stream, or once the next one is open. */
  private ConsumeRequest awaitFrame(ConsumeSession session) throws InterruptedException {
    var line = session.line;
    var speaking = session.speaking;
    lock.lockInterruptibly();
    try {
      while (!line.isOver()) {
        var now = System.nanoTime();
        moveOn(session, now);
        if (next != null && next.line.isOpen()) {
          return null;
        }
        // What concerns messages waits while the next session is asked to take them over.
        var isMoving = next != null;
        var frame = isMoving ? speaking.ping(now) : speaking.next(now, inbox.isDraining(), closing, inbox.isMuch());
        if (frame != null) {
          return frame;
        }
        if (closing && !isMoving && book.unsaid() == 0) {
          return halfClose(line);
        }
        if (line.isSilent()) {
          line.cut();
          inbox.awaitWork(TimeUnit.SECONDS.toNanos(1));
          return null;
        }
        inbox.awaitWork((isMoving ? now + SLOWLY : speaking.wakeAt(now)) - now);
      }
      return null;
    } finally {
      lock.unlock();
    }
  }

  /** Opens the next session beside one that its gateway is about to end. The lock is held. */
  private void moveOn(ConsumeSession session, long now) {
    if (leaving != null && (leaving.line.isOver() || now - leavesUntil > 0)) {
      leaving.line.cut();
      leaving = null;
    }
    if (next != null && (next.line.isOver() || next.isLate(now, session.speaking))) {
      session.speaking.moveLater(now, patience.next(next.line.error()));
      next.line.cut();
      next = null;
    }
    if (next == null && !inbox.isDraining() && session.speaking.movesOn(now)) {
      next = open();
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
  private void take(ConsumeSession session, ConsumeResponse response) {
    switch (response.getFrameCase()) {
      case MESSAGES -> {
        var messages = response.getMessages().getMessagesList();
        inbox.arrived(messages.stream().map(raw -> new Received(raw, this, session.number)).toList());
      }
      case SETTLED -> {
        book.answered(response.getSettled());
        if (session.speaking.isRetired()) {
          inbox.work.signal(); // the next session waits for this
        }
      }
      case HEARTBEAT -> heartbeat = response.getHeartbeat();
      case DRAINING -> {
        session.speaking.retire(System.nanoTime());
        inbox.work.signal();
      }
      default -> {}
    }
  }
}
