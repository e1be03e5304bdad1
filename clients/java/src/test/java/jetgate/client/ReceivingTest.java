package jetgate.client;

import static jetgate.client.FaultsTest.createConsumer;
import static jetgate.client.FaultsTest.createStream;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import jetgate.v1.StreamConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What comes to a consumer or a reader, and what cannot. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class ReceivingTest {
  private static final Duration LONG = Duration.ofMinutes(1);

  /** Takes messages of up to 1 KiB. */
  private static final class Small implements ClientInterceptor {
    @Override
    public <Q, R> ClientCall<Q, R> interceptCall(MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
      return next.newCall(method, options.withMaxInboundMessageSize(1024));
    }
  }

  @Test
  void whatIsTooLargeToBeReceivedIsAnErrorAndNotTriedAgain() throws Exception {
    try (var world = World.of("{}");
        var client = world.connect();
        var small = World.patient(Client.builder(world.gateways().get(0)).intercept(new Small())).build()) {
      createStream(client);
      createConsumer(client, LONG);
      client.publish(Message.of("users.new", "x".repeat(2000)));
      try (var consumer = small.consume("USERS", "worker")) {
        var failed = assertThrows(JetgateException.class, () -> consumer.receive(LONG));
        assertEquals(Status.Code.RESOURCE_EXHAUSTED, failed.code());
        assertEquals(Retry.NEVER, failed.retry());
      }
      try (var reader = small.read("USERS")) {
        var failed = assertThrows(JetgateException.class, () -> reader.receive(LONG));
        assertEquals(Status.Code.RESOURCE_EXHAUSTED, failed.code());
      }
      assertEquals(1, client.consumer("USERS", "worker").getState().getDelivered().getConsumerSequence());
    }
  }

  @Test
  void aReaderFailsWhereMessagesAreGoneOrNotesIt() throws Exception {
    try (var world = World.of("{}"); var client = world.connect()) {
      client.createStream(StreamConfig.newBuilder().setName("USERS").addSubjects("users.*").setMaxMsgs(2).build());
      client.publish(Message.of("users.new", "1"));
      String position;
      try (var reader = client.read("USERS")) {
        assertEquals("1", reader.receive(LONG).text());
        position = reader.position();
      }
      for (var n = 2; n <= 5; n++) {
        client.publish(Message.of("users.new", String.valueOf(n)));
      }
      var options = ReaderOptions.defaults().withUntilLast().withResume(position);
      var lost = assertThrows(JetgateException.class, () -> texts(client, options, new ArrayList<>()));
      assertEquals("POSITION_LOST", lost.reason());
      var gaps = new ArrayList<String>();
      assertEquals(List.of("4", "5"), texts(client, options.withReportGaps(), gaps));
      assertEquals(List.of("1-4"), gaps);
    }
  }

  private static List<String> texts(Client client, ReaderOptions options, List<String> gaps) {
    var texts = new ArrayList<String>();
    try (var reader = client.read("USERS", options)) {
      reader.forEach(message -> texts.add(message.text()));
      reader.gaps().forEach(gap -> gaps.add(gap.getLastSequence() + "-" + gap.getFirstAvailableSequence()));
    }
    return texts;
  }
}
