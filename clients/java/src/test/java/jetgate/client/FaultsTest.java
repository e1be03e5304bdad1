package jetgate.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import jetgate.v1.ConsumerConfig;
import jetgate.v1.GatewayServiceGrpc;
import jetgate.v1.ListSessionsRequest;
import jetgate.v1.StreamConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Gateways and servers are killed, paused and drained under a client. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class FaultsTest {
  static void createStream(Client client) {
    client.createStream(StreamConfig.newBuilder().setName("USERS").addSubjects("users.*").build());
  }

  static void createConsumer(Client client, Duration ackWait) {
    var config = ConsumerConfig.newBuilder().setDurableName("worker").setAckWait(Durations.toProto(ackWait));
    client.createConsumer("USERS", config.build());
  }

  @Test
  void aPublisherOutlivesKilledGateways() throws Exception {
    try (var world = World.of("{\"gateways\": 2}"); var client = world.connect()) {
      createStream(client);
      var writers = new ArrayList<CompletableFuture<Void>>();
      List<CompletableFuture<PublishResult>> futures = Collections.synchronizedList(new ArrayList<>());
      try (var publisher = client.publisher(PublisherOptions.defaults().withMaxInFlight(500, 32 << 20))) {
        for (var writer = 0; writer < 4; writer++) {
          var name = writer;
          writers.add(
              CompletableFuture.runAsync(
                  () -> {
                    for (var n = 0; n < 2000; n++) {
                      try {
                        futures.add(publisher.publish(Message.of("users.new", name + "-" + n)));
                      } catch (InterruptedException interrupted) {
                        throw new IllegalStateException(interrupted);
                      }
                    }
                  }));
        }
        for (var gateway = 0; gateway < 2; gateway++) {
          world.tell("kill_gateway", gateway);
          world.tell("start_gateway", gateway);
        }
        for (var writer : writers) {
          writer.get();
        }
        publisher.flush();
      }
      for (var future : futures) {
        future.get();
      }
      assertEquals(8000, client.stream("USERS").getState().getMessages());
    }
  }

  @Test
  void withoutIdsABrokenConnectionLeavesOutcomesUnknown() throws Exception {
    try (var world = World.of("{}"); var client = world.connect()) {
      createStream(client);
      var gateway = client.info().getGatewayId();
      try (var publisher = client.publisher(PublisherOptions.defaults().withMessageIds(false))) {
        publisher.publish(Message.of("users.new", "1")).get();
        world.tell("pause_nats", 0);
        var second = publisher.publish(Message.of("users.new", "2"));
        awaitInFlight(client, gateway);
        world.tell("kill_gateway", 0);
        var failed = assertThrows(ExecutionException.class, second::get);
        assertTrue(((JetgateException) failed.getCause()).isOutcomeUnknown(), failed.toString());
        world.tell("resume_nats", 0);
        world.tell("start_gateway", 0);
        publisher.publish(Message.of("users.new", "3")).get();
      }
    }
  }

  @Test
  void whatItsStreamMayHaveForgottenIsNotSentAgain() throws Exception {
    var window = Duration.ofSeconds(2);
    try (var world = World.of("{}"); var client = world.connect()) {
      var config = StreamConfig.newBuilder().setName("USERS").addSubjects("users.*");
      client.createStream(config.setDuplicateWindow(Durations.toProto(window)).build());
      var gateway = client.info().getGatewayId();
      var options = PublisherOptions.defaults().withStream("USERS").withTimeout(Duration.ofMinutes(1));
      try (var publisher = client.publisher(options)) {
        publisher.publish(Message.of("users.new", "first")).get();
        world.tell("pause_nats", 0);
        var sent = publisher.publish(Message.of("users.new", "sent"));
        awaitInFlight(client, gateway);
        world.tell("kill_gateway", 0);
        world.tell("resume_nats", 0);
        Thread.sleep(window.toMillis()); // which is what this is about; the client knows by now that nobody is there
        var unsent = publisher.publish(Message.of("users.new", "unsent"));
        Thread.sleep(window.toMillis());
        world.tell("start_gateway", 0);
        var failed = assertThrows(ExecutionException.class, sent::get).getCause();
        assertTrue(((JetgateException) failed).isOutcomeUnknown(), failed.toString());
        assertTrue(((JetgateException) failed).metadata().get("message_id").endsWith(":2"));
        unsent.get();
      }
      assertTrue(client.stream("USERS").getState().getMessages() <= 3);
    }
  }

  @Test
  void aPublishWithoutAnAnswerMayBeStored() throws Exception {
    try (var world = World.of("{}"); var client = world.connect()) {
      createStream(client);
      try (var hasty = Client.builder(world.gateways().get(0)).callTimeout(Duration.ofSeconds(1)).build()) {
        client.publish(Message.of("users.new", "first"));
        while (!isPublished(() -> hasty.publish(Message.of("users.new", "first")))) {
          Thread.sleep(20); // the machine is slow, and this is to be a connection that works
        }
        world.tell("pause_gateway", 0);
        var open = assertThrows(JetgateException.class, () -> hasty.publish(Message.of("users.new", "open")));
        assertTrue(open.isOutcomeUnknown(), open.toString());
        assertEquals(Retry.SAME_ID, open.retry());
        assertTrue(isUnknown(() -> hasty.publishBatch(BatchMode.ATOMIC, List.of(Message.of("users.new", "batch")))));
        world.tell("resume_gateway", 0);
        // The same id makes it known.
        client.publish(Message.builder("users.new").payload("open").messageId(open.metadata().get("message_id")).build());
        world.tell("kill_gateway", 0);
        var refused = assertThrows(JetgateException.class, () -> hasty.publish(Message.of("users.new", "no")));
        while (refused.isOutcomeUnknown()) { // the connection was not known to be dead
          refused = assertThrows(JetgateException.class, () -> hasty.publish(Message.of("users.new", "no")));
        }
      }
    }
  }

  private static boolean isPublished(Runnable publish) {
    try {
      publish.run();
      return true;
    } catch (JetgateException failed) {
      return false;
    }
  }

  private static boolean isUnknown(Runnable publish) {
    try {
      publish.run();
      return false;
    } catch (JetgateException failed) {
      return failed.isOutcomeUnknown();
    }
  }

  /** Waits until the gateway, which still answers, has a message in flight. */
  private static void awaitInFlight(Client client, String gateway) throws InterruptedException {
    var stub = GatewayServiceGrpc.newBlockingStub(client.channel());
    // The others are not asked: that would take the paused server.
    var request = ListSessionsRequest.newBuilder().setGatewayId(gateway).build();
    while (stub.listSessions(request).getSessionsList().stream().allMatch(one -> one.getOutstandingMessages() == 0)) {
      Thread.sleep(20);
    }
  }

  @Test
  void whatHandlersWorkOnStaysTheirsOverADrainedGateway() throws Exception {
    try (var world = World.of("{\"gateways\": 2, \"config\": {\"shutdown.drain\": \"10s\"}}");
        var client = world.connect()) {
      createStream(client);
      createConsumer(client, Duration.ofSeconds(6));
      var count = 32;
      try (var publisher = client.publisher()) {
        for (var n = 0; n < count; n++) {
          publisher.publish(Message.of("users.new", String.valueOf(n)));
        }
      }
      Map<String, Integer> seen = new HashMap<>();
      var begun = new CountDownLatch(1);
      var consumer = client.consume("USERS", "worker", ConsumerOptions.defaults().withMaxOutstanding(8));
      var running =
          new Thread(
              () ->
                  consumer.run(
                      8,
                      message -> {
                        begun.countDown();
                        Thread.sleep(8000); // the work itself, longer than ack_wait
                        synchronized (seen) {
                          seen.merge(message.text(), 1, Integer::sum);
                          seen.notifyAll();
                        }
                      }));
      running.start();
      begun.await();
      for (var gateway = 0; gateway < 2; gateway++) {
        world.tell("drain_gateway", gateway);
        world.tell("wait_gateway", gateway);
        world.tell("start_gateway", gateway);
      }
      synchronized (seen) {
        while (seen.size() < count) {
          seen.wait();
        }
      }
      running.interrupt();
      running.join();
      seen.forEach((payload, times) -> assertEquals(1, times, payload));
    }
  }

  @Test
  void aDeletedConsumerEndsItsReceiverAndAReaderEndsWhereItShould() throws Exception {
    try (var world = World.of("{}"); var client = world.connect()) {
      createStream(client);
      createConsumer(client, Duration.ofSeconds(30));
      try (var consumer = client.consume("USERS", "worker")) {
        client.deleteConsumer("USERS", "worker");
        var failed = assertThrows(JetgateException.class, () -> consumer.receive(Duration.ofSeconds(60)));
        assertEquals("CONSUMER_NOT_FOUND", failed.reason());
      }
      client.publish(Message.of("users.new", "one"));
      var texts = new ArrayList<String>();
      try (var reader = client.read("USERS", ReaderOptions.defaults().withUntilLast())) {
        reader.forEach(message -> texts.add(message.text()));
      }
      assertEquals(List.of("one"), texts);
    }
  }
}
