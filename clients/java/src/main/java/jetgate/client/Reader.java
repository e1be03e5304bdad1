package jetgate.client;

import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import jetgate.v1.ConsumeOpen;
import jetgate.v1.ConsumeRequest;
import jetgate.v1.ConsumeResponse;
import jetgate.v1.Gap;
import jetgate.v1.Ping;
import jetgate.v1.ReceivedMessage;
import jetgate.v1.SubscriberServiceGrpc;

/** Reads a stream in order, without loss or repeat, over lost connections too. Nothing is acknowledged. */
public final class Reader implements AutoCloseable, Iterable<Delivery> {
  // How many batches are read ahead.
  private static final int AHEAD = 4;

  /** Messages, and where to go on behind them. */
  private record Batch(List<ReceivedMessage> messages, String token) {}

  private final Client client;
  private final Duration openTimeout;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition work = lock.newCondition();
  private final Condition changed = lock.newCondition();
  private final ArrayDeque<Batch> batches = new ArrayDeque<>();
  private final List<Gap> gaps = new ArrayList<>();
  private final ConsumeOpen.Builder open;
  private final Thread sender;
  private Line<ConsumeRequest, ConsumeResponse> line;
  // Where the next message is in the first batch.
  private int place;
  // The position: behind this sequence, reading on from this token.
  private long sequence;
  private String token = "";
  // What a resumed read passes over: its token stands before the messages that were read of a batch.
  private long skip;
  private boolean wasOpened;
  private boolean closed;
  private boolean isEnding;
  private boolean over;
  private JetgateException error;
  private JetgateException lastError;

  Reader(Client client, String stream, ReaderOptions options) {
    this.client = client;
    openTimeout = options.openTimeout();
    open = options.open(stream, client.name());
    if (!options.resume().isEmpty()) {
      var parts = options.resume().split("\\.", 2);
      if (parts.length != 2 || !parts[0].matches("\\d+")) {
        throw new IllegalArgumentException("resume is not a position");
      }
      sequence = skip = Long.parseLong(parts[0]);
      token = parts[1];
      open.setResumeToken(token);
    }
    sender = new Thread(this::run, "jetgate-reader");
    sender.setDaemon(true);
    sender.start();
    awaitOpened();
  }

  /** The next message; null when none came in this time, or at the end. */
  public Delivery receive(Duration timeout) throws InterruptedException {
    var left = timeout.toNanos();
    lock.lockInterruptibly();
    try {
      while (true) {
        passOver();
        if (!batches.isEmpty()) {
          var message = batches.peek().messages().get(place++);
          sequence = message.getStreamSequence();
          passOver();
          return new Delivery(message);
        }
        if (over) {
          if (error != null) {
            throw error;
          }
          return null;
        }
        if (left <= 0) {
          return null;
        }
        left = changed.awaitNanos(left);
      }
    } finally {
      lock.unlock();
    }
  }

  /** Messages as they come, until {@link #close} or the end that was asked for. */
  @Override
  public Iterator<Delivery> iterator() {
    return new Arriving<>(this::receive, this::isDone);
  }

  /** Behind the last message that was handed out; a later reader of the same goes on there. */
  public String position() {
    lock.lock();
    try {
      return sequence + "." + token;
    } finally {
      lock.unlock();
    }
  }

  /** Where messages were missing, with {@link ReaderOptions#reportGaps()}. */
  public List<Gap> gaps() {
    lock.lock();
    try {
      return List.copyOf(gaps);
    } finally {
      lock.unlock();
    }
  }

  /** Ends the read. */
  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      batches.clear();
      work.signalAll();
      changed.signalAll();
    } finally {
      lock.unlock();
    }
    sender.interrupt();
  }

  /** Leaves batches behind that are read to their end, and lets more come. The lock is held. */
  private void passOver() {
    while (!batches.isEmpty() && place >= batches.peek().messages().size()) {
      token = batches.poll().token();
      sequence = 0;
      place = 0;
    }
    if (line != null && batches.size() < AHEAD) {
      line.goOn();
    }
  }

  private boolean isDone() {
    lock.lock();
    try {
      passOver();
      return batches.isEmpty() && over && error == null;
    } finally {
      lock.unlock();
    }
  }

  private void awaitOpened() {
    var left = openTimeout.toNanos();
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
      close();
      throw error != null ? error : lastError != null ? lastError : JetgateException.closed("reader");
    }
  }

  /** Opens one session after the other, each behind the last message received. */
  private void run() {
    var backoff = new Backoff();
    JetgateException why = null;
    try {
      do {
        if (why != null) {
          lastError = why;
          TimeUnit.NANOSECONDS.sleep(backoff.next(why).toNanos());
        }
        why = session(backoff);
      } while (!closed && why != null && !why.isForGood());
    } catch (InterruptedException interrupted) {
      why = JetgateException.closed("reader");
    } catch (RuntimeException unexpected) {
      why = JetgateException.of(unexpected);
    }
    lock.lock();
    try {
      over = true;
      error = closed ? null : why;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private JetgateException session(Backoff backoff) throws InterruptedException {
    var session = new Line<ConsumeRequest, ConsumeResponse>(lock, work, this::take);
    lock.lock();
    try {
      client.authorised(SubscriberServiceGrpc.newStub(client.channel())).consume(session);
      session.send(ConsumeRequest.newBuilder().setOpen(open).build());
      var first = session.first();
      if (first == null) {
        return session.error();
      }
      line = session;
      backoff.worked();
      if (open.getResumeToken().isEmpty()) {
        token = first.getOpened().getResumeToken();
        open.setResumeToken(token);
      }
      wasOpened = true;
      changed.signalAll();
      var pingAfter = Durations.of(first.getOpened().getPingWithin()).toNanos() / 3;
      isEnding = false;
      while (!session.isOver() && !closed && !isEnding) {
        if (work.awaitNanos(pingAfter) <= 0 && !session.isOver()) {
          if (session.isSilent()) {
            session.cut();
          } else {
            session.send(ConsumeRequest.newBuilder().setPing(Ping.getDefaultInstance()).build());
          }
        }
      }
      return isEnding
          ? JetgateException.local(Status.Code.UNAVAILABLE, "", "the gateway ends the session")
          : session.error();
    } finally {
      if (!session.isOver()) {
        session.cut();
      }
      line = null;
      lock.unlock();
    }
  }

  /** Takes a frame of the gateway; the lock is held. */
  private Runnable take(ConsumeResponse response) {
    switch (response.getFrameCase()) {
      case MESSAGES -> add(response.getMessages().getMessagesList(), response.getMessages().getResumeToken());
      case HEARTBEAT -> add(List.of(), response.getHeartbeat().getResumeToken());
      case DRAINING -> {
        add(List.of(), response.getDraining().getResumeToken());
        isEnding = true; // nothing is to be settled: the next session goes on at once
        work.signalAll();
      }
      case GAP -> {
        gaps.add(response.getGap());
        skip = response.getGap().getStreamRecreated() ? 0 : skip;
      }
      default -> {}
    }
    return null;
  }

  private void add(List<ReceivedMessage> messages, String next) {
    if (next.isEmpty()) {
      return;
    }
    open.setResumeToken(next);
    var isNew = messages.stream().filter(message -> message.getStreamSequence() > skip).toList();
    if (isNew.isEmpty() && skip > 0) {
      return; // the position is behind what this token resumes at
    }
    skip = 0;
    batches.add(new Batch(isNew, next));
    if (batches.size() >= AHEAD && line != null) {
      line.pause();
    }
    changed.signalAll();
  }
}
