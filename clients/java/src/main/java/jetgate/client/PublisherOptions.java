package jetgate.client;

import java.time.Duration;
import jetgate.v1.PublishAckMode;
import jetgate.v1.PublishOpen;

/**
 * How a publisher sends. Begin with {@link #defaults()} and change what has to be different.
 *
 * @param stream the stream that takes all messages; empty: each goes to the stream that takes its subject
 * @param cumulative asks only whether messages are stored, not where: faster on streams with {@code allow_batched}, and the
 *     sequence stays 0. Needs {@code stream}
 * @param maxInFlight how many messages may be unanswered; {@code publish} waits beyond that
 * @param maxInFlightBytes how many bytes
 * @param batchMessages the most messages that go together
 * @param batchBytes the most bytes that go together
 * @param linger how long a message waits for company while others are unanswered
 * @param timeout how long a message may take from when it is sent; 100 ms to 10 min
 * @param messageIds makes ids, so that what is unanswered when a connection breaks is sent again and stored once. Without,
 *     the outcome of such a message is unknown; it saves the server the memory of the ids
 */
public record PublisherOptions(
    String stream,
    boolean cumulative,
    int maxInFlight,
    int maxInFlightBytes,
    int batchMessages,
    int batchBytes,
    Duration linger,
    Duration timeout,
    boolean messageIds) {
  /** 4,096 messages and 32 MiB in flight, batches of 256 messages and 1 MiB, 2 ms, 60 s, with ids. */
  public static PublisherOptions defaults() {
    return new PublisherOptions(
        "", false, 4096, 32 << 20, 256, 1 << 20, Duration.ofMillis(2), Duration.ofSeconds(60), true);
  }

  /** With another stream. */
  public PublisherOptions withStream(String stream) {
    return new PublisherOptions(stream, cumulative, maxInFlight, maxInFlightBytes, batchMessages, batchBytes, linger,
        timeout, messageIds);
  }

  /** Cumulative or not. */
  public PublisherOptions withCumulative(boolean cumulative) {
    return new PublisherOptions(stream, cumulative, maxInFlight, maxInFlightBytes, batchMessages, batchBytes, linger,
        timeout, messageIds);
  }

  /** With other bounds of what is unanswered. */
  public PublisherOptions withMaxInFlight(int messages, int bytes) {
    return new PublisherOptions(stream, cumulative, messages, bytes, batchMessages, batchBytes, linger, timeout,
        messageIds);
  }

  /** With other batches. */
  public PublisherOptions withBatches(int messages, int bytes, Duration linger) {
    return new PublisherOptions(stream, cumulative, maxInFlight, maxInFlightBytes, messages, bytes, linger, timeout,
        messageIds);
  }

  /** With another timeout. */
  public PublisherOptions withTimeout(Duration timeout) {
    return new PublisherOptions(stream, cumulative, maxInFlight, maxInFlightBytes, batchMessages, batchBytes, linger,
        timeout, messageIds);
  }

  /** With message ids or without. */
  public PublisherOptions withMessageIds(boolean messageIds) {
    return new PublisherOptions(stream, cumulative, maxInFlight, maxInFlightBytes, batchMessages, batchBytes, linger,
        timeout, messageIds);
  }

  PublishOpen.Builder open(String clientName) {
    var open =
        PublishOpen.newBuilder()
            .setStream(stream)
            .setMaxInFlight(Math.min(maxInFlight, 16_384))
            .setMaxInFlightBytes(Math.min(maxInFlightBytes, 64 << 20))
            .setMintMessageIds(messageIds)
            .setPublishTimeout(Durations.toProto(timeout))
            .setHeartbeatInterval(Durations.toProto(Line.HEARTBEAT))
            .setClientName(clientName);
    return cumulative ? open.setAckMode(PublishAckMode.PUBLISH_ACK_MODE_CUMULATIVE) : open;
  }
}
