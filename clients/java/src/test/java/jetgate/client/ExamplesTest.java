package jetgate.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import jetgate.v1.ConsumerConfig;
import jetgate.v1.StreamConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The examples do what they say, together. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class ExamplesTest {
  private static Process start(World world, String example) throws IOException {
    var builder =
        new ProcessBuilder(
            ProcessHandle.current().info().command().orElse("java"),
            "-cp",
            System.getProperty("java.class.path"),
            "jetgate.examples." + example);
    builder
        .environment()
        .putAll(Map.of("JETGATE_URL", world.gateways().get(0), "STREAM_NAME", "USERS", "CONSUMER_NAME", "worker"));
    return builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
  }

  @Test
  void examples() throws Exception {
    try (var world = World.of("{}"); var client = world.connect()) {
      client.createStream(StreamConfig.newBuilder().setName("USERS").addSubjects("users.*").build());
      var config = ConsumerConfig.newBuilder().setDurableName("worker");
      client.createConsumer("USERS", config.setAckWait(Durations.toProto(Duration.ofSeconds(30))).build());
      for (var known : new int[] {0, 100}) {
        var publisher = start(world, "EventPublisher");
        var said = new String(publisher.getInputStream().readAllBytes());
        assertEquals("published 100 events, " + known + " of them known before\n", said);
        assertEquals(0, publisher.waitFor());
      }
      var consumer = start(world, "EventConsumer");
      while (client.consumer("USERS", "worker").getState().getAckFloor().getStreamSequence() < 100) {
        Thread.sleep(20);
      }
      consumer.toHandle().destroy(); // `destroy` of the process itself closes what it has written
      var lines = new String(consumer.getInputStream().readAllBytes()).lines().toList();
      assertEquals(100, lines.size());
      assertTrue(lines.stream().allMatch(line -> line.contains("users.login #")));
      consumer.waitFor();
    }
  }
}
