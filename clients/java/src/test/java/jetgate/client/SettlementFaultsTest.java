package jetgate.client;

import static jetgate.client.FaultsTest.createConsumer;
import static jetgate.client.FaultsTest.createStream;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a consumer holds and says outlives the ends of its sessions. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class SettlementFaultsTest {
  private static final Duration LONG = Duration.ofMinutes(1);

  private static void publish(Client client, int count) throws InterruptedException {
    try (var publisher = client.publisher()) {
      for (var n = 0; n < count; n++) {
        publisher.publish(Message.of("users.new", String.valueOf(n)));
      }
    }
  }

  private static List<Received> receive(Consumer consumer, int count) throws InterruptedException {
    var messages = new ArrayList<Received>();
    for (var n = 0; n < count; n++) {
      messages.add(consumer.receive(LONG));
      assertNotNull(messages.get(n));
    }
    return messages;
  }

  /** All messages of the consumer are acknowledged, at their first attempt; soon, where nobody waited for JetStream's word. */
  private static void assertDone(Client client, int count) throws InterruptedException {
    var end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
    var state = client.consumer("USERS", "worker").getState();
    while (state.getAckFloor().getStreamSequence() < count && System.nanoTime() < end) {
      Thread.sleep(20);
      state = client.consumer("USERS", "worker").getState();
    }
    assertEquals(0, state.getNumAckPending(), state.toString());
    assertEquals(count, state.getAckFloor().getStreamSequence(), state.toString());
    assertEquals(count, state.getDelivered().getConsumerSequence(), state.toString());
  }

  private static void restart(World world, int gateway) {
    world.tell("drain_gateway", gateway);
    world.tell("wait_gateway", gateway);
    world.tell("start_gateway", gateway);
  }

  @Test
  void whatIsHeldStaysOursOverDrainedGatewaysWhileAcknowledgementsFlow() throws Exception {
    try (var world = World.of("{\"gateways\": 2, \"config\": {\"shutdown.drain\": \"10s\"}}"); var client = world.connect()) {
      createStream(client);
      createConsumer(client, Duration.ofSeconds(6));
      publish(client, 1000);
      try (var consumer = client.consume("USERS", "worker")) {
        var held = receive(consumer, 1000);
        var isOver = new AtomicBoolean();
        var acknowledging =
            CompletableFuture.supplyAsync(
                () -> {
                  var count = 0;
                  for (; count < 900 && !isOver.get(); count++) {
                    held.get(count).ack();
                    pause();
                  }
                  return count;
                });
        restart(world, 0);
        restart(world, 1);
        isOver.set(true);
        var left = held.subList(acknowledging.get(), 1000);
        assertNull(consumer.receive(Duration.ofSeconds(8)), "what is held came again");
        left.forEach(Received::ack);
        assertTrue(consumer.drain(LONG));
      }
      assertDone(client, 1000);
    }
  }

  private static void pause() {
    try {
      Thread.sleep(5);
    } catch (InterruptedException interrupted) {
      throw new IllegalStateException(interrupted);
    }
  }

  @Test
  void aDrainKeepsItsWorkOverADrainedGateway() throws Exception {
    try (var world = World.of("{\"gateways\": 2, \"config\": {\"shutdown.drain\": \"10s\"}}"); var client = world.connect()) {
      createStream(client);
      createConsumer(client, Duration.ofSeconds(6));
      publish(client, 8);
      try (var consumer = client.consume("USERS", "worker")) {
        var held = receive(consumer, 8);
        var drained = CompletableFuture.supplyAsync(() -> consumer.drain(LONG));
        restart(world, 0);
        restart(world, 1);
        // Longer than ack_wait: what is not ours any more comes again, to whoever asks.
        try (var other = client.consume("USERS", "worker")) {
          assertNull(other.receive(Duration.ofSeconds(8)), "what is held came again");
        }
        held.forEach(Received::ack);
        assertTrue(drained.get());
      }
      assertDone(client, 8);
    }
  }

  @Test
  void closeBetweenSessionsPassesOnWhatWasSaid() throws Exception {
    try (var world = World.of("{}");
        var near = world.connect();
        var forwarder = Forwarder.before(world.gateways().get(0));
        var client = World.patient(Client.builder(forwarder.address())).build()) {
      createStream(near);
      createConsumer(near, LONG);
      publish(near, 10);
      var consumer = client.consume("USERS", "worker");
      var messages = receive(consumer, 10);
      forwarder.refuse();
      messages.forEach(Received::ack);
      forwarder.awaitRefused(1);
      var closing = CompletableFuture.runAsync(consumer::close);
      forwarder.awaitRefused(3);
      forwarder.goOn();
      closing.get();
      assertDone(near, 10);
    }
  }

  @Test
  void aDrainReportsWhatCouldNotBePassedOn() throws Exception {
    try (var world = World.of("{}"); var client = world.connect()) {
      createStream(client);
      createConsumer(client, LONG);
      publish(client, 1);
      var consumer = client.consume("USERS", "worker");
      var messages = receive(consumer, 1);
      world.tell("kill_gateway", 0);
      messages.forEach(Received::ack);
      assertFalse(consumer.drain(Duration.ofSeconds(1)));
    }
  }

  @Test
  void aSettlementThatIsWrittenAsTheStreamEndsIsNotLost() throws Exception {
    try (var world = World.of("{}"); var client = world.connect()) {
      createStream(client);
      createConsumer(client, LONG);
      publish(client, 10);
      try (var consumer = client.consume("USERS", "worker")) {
        var messages = receive(consumer, 10);
        world.tell("pause_gateway", 0);
        messages.forEach(Received::ack);
        Thread.sleep(50); // the frame is written; the test holds as well where it is not
        world.tell("kill_gateway", 0);
        world.tell("start_gateway", 0);
        assertTrue(consumer.drain(LONG));
      }
      assertDone(client, 10);
    }
  }
}
