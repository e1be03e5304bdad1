package jetgate.client;

import java.time.Duration;
import jetgate.v1.ConsumeOpen;
import jetgate.v1.FlowLimits;
import jetgate.v1.Lease;

/**
 * How a consumer is opened. Begin with {@link #defaults()} and change what has to be different.
 *
 * @param maxOutstanding how many messages may be delivered and not settled
 * @param maxOutstandingBytes how many bytes; 0 is the gateway's default, 8 MiB
 * @param lease for how long a message that is worked on is kept from others, however short the consumer's {@code ack_wait} is;
 *     zero: it comes again after that, unless {@link Received#inProgress()} is called
 * @param openTimeout how long opening may take
 */
public record ConsumerOptions(int maxOutstanding, long maxOutstandingBytes, Duration lease, Duration openTimeout) {
  /** 1,000 messages, 8 MiB, ten minutes, 30 s. */
  public static ConsumerOptions defaults() {
    return new ConsumerOptions(1000, 0, Duration.ofMinutes(10), Duration.ofSeconds(30));
  }

  /** With another window. */
  public ConsumerOptions withMaxOutstanding(int messages) {
    return new ConsumerOptions(messages, maxOutstandingBytes, lease, openTimeout);
  }

  /** With another window in bytes. */
  public ConsumerOptions withMaxOutstandingBytes(long bytes) {
    return new ConsumerOptions(maxOutstanding, bytes, lease, openTimeout);
  }

  /** With another lease. */
  public ConsumerOptions withLease(Duration lease) {
    return new ConsumerOptions(maxOutstanding, maxOutstandingBytes, lease, openTimeout);
  }

  ConsumeOpen.Builder open(String stream, String consumer, String clientName) {
    var flow = FlowLimits.newBuilder().setMaxOutstandingMessages(maxOutstanding);
    if (maxOutstandingBytes > 0) {
      flow.setMaxOutstandingBytes(maxOutstandingBytes);
    }
    var open =
        ConsumeOpen.newBuilder()
            .setStream(stream)
            .setConsumer(consumer)
            .setFlow(flow)
            .setHeartbeatInterval(Durations.toProto(Line.HEARTBEAT))
            .setClientName(clientName);
    return lease.isZero()
        ? open
        : open.setLease(Lease.newBuilder().setAutoExtend(true).setMax(Durations.toProto(lease)));
  }
}
