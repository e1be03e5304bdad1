package jetgate.client;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.logging.Level;
import java.util.logging.Logger;
import jetgate.v1.StallReason;

/**
 * Receives the messages of a durable consumer. Safe for threads, which then share the messages.
 *
 * <p>What is not settled is delivered again, to this or another consumer. When a connection breaks, another is made, on any gateway,
 * and what is worked on stays this consumer's.
 */
public final class Consumer implements AutoCloseable, Iterable<Received> {
  private static final Logger LOG = Logger.getLogger(Consumer.class.getName());
  private static final Duration DRAIN_WITHIN = Duration.ofSeconds(30);

  private final Consuming engine;

  Consumer(Client client, String stream, String consumer, ConsumerOptions options) {
    engine = new Consuming(client, options, options.open(stream, consumer, client.name()));
    engine.start();
  }

  /** The next message; null when none came in this time, or when the consumer was drained or closed. */
  public Received receive(Duration timeout) throws InterruptedException {
    return engine.inbox().receive(timeout);
  }

  /** Messages as they come, until the consumer is drained or closed. */
  @Override
  public Iterator<Received> iterator() {
    return new Arriving<>(engine.inbox()::receive, engine.inbox()::isDone);
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
    var error = engine.inbox().error();
    if (error != null) {
      throw error;
    }
  }

  /**
   * Asks for no more messages and waits until all that were handed out are settled, then ends the session. False when that was not so
   * in this time: what was left is delivered again. False, too, where settlements that were given could not be passed on: those
   * messages may come again.
   */
  public boolean drain(Duration timeout) {
    return engine.drain(timeout);
  }

  /**
   * Ends the session at once; what is not settled goes to others. Settlements that were given are still sent, between sessions to any
   * gateway. Where that does not succeed in some seconds, the log says so: those messages may come again.
   */
  @Override
  public void close() {
    engine.close();
  }

  /** How many messages wait for the consumer, as last heard. */
  public long pending() {
    return engine.heartbeat().getPending();
  }

  /** Why nothing comes, as last heard: "WINDOW_FULL", "PAUSED" and so on; empty when nothing stalls. */
  public String stall() {
    var reason = engine.heartbeat().getStallReason();
    return reason == StallReason.STALL_REASON_UNSPECIFIED ? "" : reason.name().substring("STALL_REASON_".length());
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
}
