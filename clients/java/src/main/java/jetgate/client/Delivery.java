package jetgate.client;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import jetgate.v1.ReceivedMessage;

/** A message as it was delivered. */
public class Delivery {
  private final ReceivedMessage raw;

  Delivery(ReceivedMessage raw) {
    this.raw = raw;
  }

  /** Where it was published. */
  public String subject() {
    return raw.getSubject();
  }

  /** What it says. */
  public byte[] payload() {
    return raw.hasText() ? raw.getTextBytes().toByteArray() : raw.getData().toByteArray();
  }

  /** What it says, as text. */
  public String text() {
    return raw.hasText() ? raw.getText() : raw.getData().toString(StandardCharsets.UTF_8);
  }

  /** The headers that it was published with. */
  public List<Header> headers() {
    return raw.getHeadersList().stream().map(Header::of).toList();
  }

  /** The stream that has it. */
  public String stream() {
    return raw.getStream();
  }

  /** The consumer that delivered it. */
  public String consumer() {
    return raw.getConsumer();
  }

  /** Its place in the stream. */
  public long sequence() {
    return raw.getStreamSequence();
  }

  /** 1 for the first delivery by this consumer, 2 for the first repetition, and so on. */
  public int attempt() {
    return raw.getDeliveryAttempt();
  }

  /** The id that it was published with; empty without. */
  public String messageId() {
    return raw.getMessageId();
  }

  /** When it was stored. */
  public Instant publishedAt() {
    return Instant.ofEpochSecond(raw.getPublishTime().getSeconds(), raw.getPublishTime().getNanos());
  }

  /** How many messages waited for the consumer after this one. */
  public long pending() {
    return raw.getPending();
  }

  @Override
  public String toString() {
    return subject() + " #" + sequence() + " (attempt " + attempt() + ")";
  }
}
