package jetgate.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import jetgate.v1.ConsumerConfig;
import jetgate.v1.StreamConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The examples do what they say, together. */
@Timeout(value = 240, unit = TimeUnit.SECONDS)
class ExamplesTest {
  private static Process start(World world, String example, String... more) throws IOException {
    var builder =
        new ProcessBuilder(
            ProcessHandle.current().info().command().orElse("java"),
            "-cp",
            System.getProperty("java.class.path"),
            "jetgate.examples." + example);
    builder
        .environment()
        .putAll(Map.of("JETGATE_URL", "http://" + world.gateways().get(0), "STREAM_NAME", "USERS", "CONSUMER_NAME", "worker"));
    for (var place = 0; place < more.length; place += 2) {
      builder.environment().put(more[place], more[place + 1]);
    }
    return builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
  }

  /** Runs an example to its end and returns what it printed. */
  private static String run(World world, String example, String... more) throws Exception {
    var program = start(world, example, more);
    var said = new String(program.getInputStream().readAllBytes());
    assertEquals(0, program.waitFor(), said);
    return said;
  }

  private static long count(String text, String part) {
    return text.lines().filter(line -> line.contains(part)).count();
  }

  @Test
  void aTraceGoesFromThePublisherToTheConsumer() throws Exception {
    try (var world = World.of("{}"); var client = world.connect()) {
      client.createStream(StreamConfig.newBuilder().setName("USERS").addSubjects("users.*").build());
      client.createConsumer("USERS", ConsumerConfig.newBuilder().setDurableName("worker").build());
      var trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
      var said = run(world, "Tracing", "TRACEPARENT", trace);
      assertEquals("published in " + trace + "\nada goes on in " + trace + "\n", said);
    }
  }

  @Test
  void aPaymentIsBookedOnceHoweverOftenTheProgramRuns(@TempDir Path folder) throws Exception {
    try (var world = World.of("{}")) {
      var ledger = folder.resolve("ledger").toString();
      var first = run(world, "ExactlyOnce", "LEDGER", ledger, "STREAM_NAME", "PAYMENTS");
      assertEquals(3, count(first, "published before: false"), first);
      assertEquals(3, count(first, "booked before: false"), first);
      // Another consumer gets everything again, as this one would where it had crashed before its acknowledgement.
      var again = run(world, "ExactlyOnce", "LEDGER", ledger, "STREAM_NAME", "PAYMENTS", "CONSUMER_NAME", "again");
      assertEquals(3, count(again, "published before: true"), again);
      assertEquals(3, count(again, "booked before: true"), again);
    }
  }

  @Test
  void aUrlOfHttpsIsTlsAsTheSystemTrustsIt(@TempDir Path folder) throws Exception {
    try (var world = World.of("{\"tls\": true}")) {
      var trusted = KeyStore.getInstance("PKCS12");
      trusted.load(null, null);
      try (var pem = Files.newInputStream(Path.of(world.caFile()))) {
        trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
      }
      var store = folder.resolve("trusted");
      try (var file = Files.newOutputStream(store)) {
        trusted.store(file, "secret".toCharArray());
      }
      var system = "-Djavax.net.ssl.trustStore=" + store + " -Djavax.net.ssl.trustStorePassword=secret";
      var url = "https://" + world.gateways().get(0);
      var said = run(world, "ExactlyOnce", "JETGATE_URL", url, "JAVA_TOOL_OPTIONS", system,
          "LEDGER", folder.resolve("ledger").toString(), "STREAM_NAME", "PAYMENTS");
      assertEquals(3, count(said, "published before: false"), said);
    }
  }

  @Test
  void examples() throws Exception {
    try (var world = World.of("{}"); var client = world.connect()) {
      client.createStream(StreamConfig.newBuilder().setName("USERS").addSubjects("users.*").build());
      var config = ConsumerConfig.newBuilder().setDurableName("worker");
      client.createConsumer("USERS", config.setAckWait(Durations.toProto(Duration.ofSeconds(30))).build());
      // The publisher names its stream: another one does not take its events.
      client.createStream(StreamConfig.newBuilder().setName("ORDERS").addSubjects("orders.*").build());
      var misled = start(world, "EventPublisher", "STREAM_NAME", "ORDERS");
      assertEquals("", new String(misled.getInputStream().readAllBytes()));
      assertNotEquals(0, misled.waitFor());
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
