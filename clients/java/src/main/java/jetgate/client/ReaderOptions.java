package jetgate.client;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import jetgate.v1.ConsumeOpen;
import jetgate.v1.DeliverPolicy;
import jetgate.v1.GapPolicy;
import jetgate.v1.OrderedConsumer;
import jetgate.v1.StopAt;

/**
 * What a reader reads, from where to where. Begin with {@link #defaults()} and change what has to be different.
 *
 * @param filterSubjects only messages whose subject matches one of these; empty is all
 * @param fromSequence begin with the message of this sequence, or the next one that there is; 0 is not said
 * @param fromTime begin with the first message that was stored at this time or later; null is not said
 * @param deliver where to begin otherwise
 * @param untilLast end with the last message that there is at the beginning
 * @param resume the {@link Reader#position()} of an earlier reader of the same: go on behind it; empty is not said
 * @param reportGaps go on where the stream no longer has the next messages, and note it; otherwise the reader fails with
 *     POSITION_LOST
 * @param headersOnly without payloads
 * @param openTimeout how long opening may take
 */
public record ReaderOptions(
    List<String> filterSubjects,
    long fromSequence,
    Instant fromTime,
    DeliverPolicy deliver,
    boolean untilLast,
    String resume,
    boolean reportGaps,
    boolean headersOnly,
    Duration openTimeout) {
  /** Everything, without an end. */
  public static ReaderOptions defaults() {
    return new ReaderOptions(
        List.of(), 0, null, DeliverPolicy.DELIVER_POLICY_ALL, false, "", false, false, Duration.ofSeconds(30));
  }

  /** With filters. */
  public ReaderOptions withFilterSubjects(String... subjects) {
    return new ReaderOptions(
        List.of(subjects), fromSequence, fromTime, deliver, untilLast, resume, reportGaps, headersOnly, openTimeout);
  }

  /** From a sequence. */
  public ReaderOptions withFromSequence(long sequence) {
    return new ReaderOptions(
        filterSubjects, sequence, fromTime, deliver, untilLast, resume, reportGaps, headersOnly, openTimeout);
  }

  /** From a time. */
  public ReaderOptions withFromTime(Instant time) {
    return new ReaderOptions(
        filterSubjects, fromSequence, time, deliver, untilLast, resume, reportGaps, headersOnly, openTimeout);
  }

  /** From somewhere else: the last message, the last of each subject, or what is new. */
  public ReaderOptions withDeliver(DeliverPolicy policy) {
    return new ReaderOptions(
        filterSubjects, fromSequence, fromTime, policy, untilLast, resume, reportGaps, headersOnly, openTimeout);
  }

  /** To the last message that there is. */
  public ReaderOptions withUntilLast() {
    return new ReaderOptions(
        filterSubjects, fromSequence, fromTime, deliver, true, resume, reportGaps, headersOnly, openTimeout);
  }

  /** Behind the position of an earlier reader. */
  public ReaderOptions withResume(String position) {
    return new ReaderOptions(
        filterSubjects, fromSequence, fromTime, deliver, untilLast, position, reportGaps, headersOnly, openTimeout);
  }

  /** Going on where messages are missing. */
  public ReaderOptions withReportGaps() {
    return new ReaderOptions(
        filterSubjects, fromSequence, fromTime, deliver, untilLast, resume, true, headersOnly, openTimeout);
  }

  ConsumeOpen.Builder open(String stream, String clientName) {
    var ordered =
        OrderedConsumer.newBuilder()
            .addAllFilterSubjects(filterSubjects)
            .setDeliverPolicy(deliver)
            .setHeadersOnly(headersOnly);
    if (fromSequence > 0) {
      ordered.setDeliverPolicy(DeliverPolicy.DELIVER_POLICY_BY_START_SEQUENCE).setOptStartSeq(fromSequence);
    } else if (fromTime != null) {
      ordered
          .setDeliverPolicy(DeliverPolicy.DELIVER_POLICY_BY_START_TIME)
          .setOptStartTime(
              com.google.protobuf.Timestamp.newBuilder()
                  .setSeconds(fromTime.getEpochSecond())
                  .setNanos(fromTime.getNano()));
    }
    var open =
        ConsumeOpen.newBuilder()
            .setStream(stream)
            .setOrdered(ordered)
            .setHeartbeatInterval(Durations.toProto(Line.HEARTBEAT))
            .setOnGap(reportGaps ? GapPolicy.GAP_POLICY_REPORT : GapPolicy.GAP_POLICY_FAIL)
            .setClientName(clientName);
    return untilLast ? open.setStopAt(StopAt.newBuilder().setLast(true)) : open;
  }
}
