package jetgate.client;

import java.time.Duration;
import jetgate.v1.AckKind;
import jetgate.v1.ReceivedMessage;

/**
 * A message of a consumer, to be settled once: by {@link #ack()} when it is done, or by one of the others. Settling it again does
 * nothing.
 */
public final class Received extends Delivery {
  private final Consuming consumer;
  // Which session delivered it, and its number there; the token and whether it is settled are guarded by the consumer's lock.
  final long session;
  final long id;
  String token;
  boolean settled;

  Received(ReceivedMessage raw, Consuming consumer, long session) {
    super(raw);
    this.consumer = consumer;
    this.session = session;
    id = raw.getDeliveryId();
    token = raw.getAckToken();
  }

  /**
   * Done: it is not delivered again. Does not wait: an acknowledgement that is lost with a connection brings the message back. Where
   * that must not be, use {@link #ackConfirmed()}.
   */
  public void ack() {
    consumer.settle(new Settlements.Word(this, AckKind.ACK_KIND_ACK, Duration.ZERO, ""));
  }

  /** Acknowledges, and returns once JetStream has it. */
  public void ackConfirmed() {
    consumer.confirm(this);
  }

  /** Not done: it is delivered again at once. */
  public void nak() {
    nak(Duration.ZERO);
  }

  /** Not done: it is delivered again after this time. */
  public void nak(Duration delay) {
    consumer.settle(new Settlements.Word(this, AckKind.ACK_KIND_NAK, delay, ""));
  }

  /** Hopeless: it is not delivered again. The reason is for JetStream's advisory and the dead letter. */
  public void term(String reason) {
    consumer.settle(new Settlements.Word(this, AckKind.ACK_KIND_TERM, Duration.ZERO, reason));
  }

  /** At work: the consumer's {@code ack_wait} starts anew. Not needed while {@link ConsumerOptions#lease()} lasts. */
  public void inProgress() {
    consumer.settle(new Settlements.Word(this, AckKind.ACK_KIND_IN_PROGRESS, Duration.ZERO, ""));
  }
}
