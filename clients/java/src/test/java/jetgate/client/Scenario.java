package jetgate.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.File;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/** One run of one scenario (tests/scenarios) through the public interface. */
final class Scenario {
  // A step, or a message of it, may wait for two elections of a cluster, on a machine that builds and tests at once.
  private static final Duration USUAL = Duration.ofSeconds(90);

  // A thread each: what waits here must not keep others from their work.
  private static final Executor BESIDE = task -> new Thread(task, "background").start();

  private final World world;
  private final Map<String, Client> clients = new HashMap<>();
  private final Map<String, Consumer> consumers = new HashMap<>();
  private final Map<String, Reader> readers = new HashMap<>();
  private final Map<String, String> positions = new HashMap<>();
  private final List<Delivery> received = new ArrayList<>();
  private final Map<Long, Long> receivedAt = new HashMap<>();
  private final Map<String, CompletableFuture<Void>> background = new HashMap<>();

  private Scenario(World world) {
    this.world = world;
  }

  static void run(JsonObject what) throws Exception {
    var plan = new Step(what);
    plan.get("about");
    try (var world = new World(plan.object("world"))) {
      var scenario = new Scenario(world);
      try {
        if (!plan.has("connect") || plan.flag("connect")) {
          scenario.connect(new Step(JsonParser.parseString("{\"as\": \"main\"}").getAsJsonObject()));
        }
        for (var fields : plan.array("steps")) {
          scenario.step(new Step(fields.getAsJsonObject()));
        }
        plan.allRead();
      } finally {
        scenario.end();
      }
    }
  }

  private void end() {
    consumers.values().forEach(Consumer::close);
    readers.values().forEach(Reader::close);
    clients.values().forEach(Client::close);
  }

  private interface Act {
    void run() throws Exception;
  }

  private void step(Step step) throws Exception {
    var expected = step.object("error");
    Act act = () -> act(step);
    if (step.has("background")) {
      Act whole = () -> {
        act.run();
        step.allRead();
      };
      background.put(step.text("background", ""), CompletableFuture.runAsync(() -> unchecked(whole), BESIDE));
      return;
    }
    try {
      act.run();
      if (expected.size() > 0) {
        throw new AssertionError("it should have failed");
      }
    } catch (JetgateException error) {
      if (expected.size() == 0) {
        throw new AssertionError("step " + step, error);
      }
      Expected.error(error, expected);
    } catch (AssertionError | ExecutionException | CompletionException problem) {
      throw new AssertionError("step " + step, problem);
    }
    step.allRead();
  }

  private static void unchecked(Act act) {
    try {
      act.run();
    } catch (Exception failed) {
      throw new CompletionException(failed);
    }
  }

  private void act(Step step) throws Exception {
    var client = clients.get(step.text("client", "main"));
    var within = step.time("within", USUAL);
    switch (step.text("do", "")) {
      case "connect" -> connect(step);
      case "create_stream" -> client.createStream(Configs.stream(step.object("config")));
      case "apply_stream" -> client.applyStream(Configs.stream(step.object("config")));
      case "create_consumer" ->
          client.createConsumer(step.text("stream", ""), Configs.consumer(step.object("config")));
      case "apply_consumer" ->
          client.applyConsumer(step.text("stream", ""), Configs.consumer(step.object("config")));
      case "stream_info" -> {
        var name = step.text("stream", "");
        poll(step, within, () -> {
          var state = client.stream(name).getState();
          return Map.of("messages", state.getMessages(), "last_sequence", state.getLastSequence());
        });
      }
      case "consumer_info" -> {
        var stream = step.text("stream", "");
        var name = step.text("consumer", "");
        poll(step, within, () -> {
          var state = client.consumer(stream, name).getState();
          return Map.of(
              "num_pending", state.getNumPending(),
              "num_ack_pending", state.getNumAckPending(),
              "ack_floor", state.getAckFloor().getStreamSequence());
        });
      }
      case "publish" ->
          Expected.result(client.publish(Expected.message(step.object("message"))), step.object("expect"));
      case "publish_many" -> publishMany(step, client, within);
      case "publish_batch" -> publishBatch(step, client);
      case "open" -> open(step, client);
      case "receive" -> receive(step, within);
      case "settle" -> {
        for (var number : World.numbers(step.array("messages"))) {
          settle((Received) received.get(number - 1), step);
        }
      }
      case "collect" -> collect(step, within);
      case "drain" -> assertTrue(consumers.get(step.text("what", "")).drain(within), "not all was settled in time");
      case "close" -> close(step.text("what", ""));
      case "world" -> Expected.answer(world.tell(step.object("command")), step.object("expect"));
      case "await" -> background.get(step.text("what", "")).get(within.toMillis(), TimeUnit.MILLISECONDS);
      default -> throw new AssertionError("unknown verb");
    }
  }

  private void connect(Step step) {
    var all = world.gateways();
    var chosen = step.has("gateways") ? World.numbers(step.array("gateways")).stream().map(all::get).toList() : all;
    var builder = World.patient(Client.builder(String.join(",", chosen)));
    if (step.has("call_timeout")) {
      builder.callTimeout(step.time("call_timeout", null));
    }
    var authority = step.text("ca", "").equals("other") ? world.otherCaFile() : world.caFile();
    if (authority != null) {
      builder.ca(new File(authority));
    }
    var key = step.text("api_key", world.apiKey());
    if ("renewed".equals(key)) {
      var begunAt = System.nanoTime();
      builder.tokens(() -> System.nanoTime() - begunAt < 2e9 ? world.shortKey() : world.apiKey());
    } else if (step.has("token")) {
      var token = world.token(step.object("token"));
      builder.tokens(() -> token);
    } else if (key != null && !key.equals("none")) {
      builder.apiKey(key);
    }
    clients.put(step.text("as", ""), builder.build());
  }

  /** Asks until all that is expected is so. */
  private static void poll(Step step, Duration within, Supplier<Map<String, Long>> look) throws InterruptedException {
    var end = System.nanoTime() + within.toNanos();
    var expected = step.object("expect");
    var atLeast = step.object("at_least");
    while (true) {
      var state = look.get();
      var holds =
          expected.keySet().stream().allMatch(name -> state.get(name) == expected.get(name).getAsLong())
              && atLeast.keySet().stream().allMatch(name -> state.get(name) >= atLeast.get(name).getAsLong());
      if (holds) {
        return;
      }
      assertTrue(System.nanoTime() < end, "it stays " + state);
      Thread.sleep(20);
    }
  }

  private static void publishMany(Step step, Client client, Duration within) throws Exception {
    var first = step.number("first", 1);
    var subject = step.text("subject", "");
    var prefix = step.text("prefix", "");
    var messages = new ArrayList<Message>();
    step.array("messages").forEach(message -> messages.add(Expected.message(message.getAsJsonObject())));
    IntStream.range(first, first + step.number("count", 0))
        .forEach(number -> messages.add(Message.of(subject, prefix + number)));
    var fields = new Step(step.object("publisher"));
    var options =
        PublisherOptions.defaults()
            .withStream(fields.text("stream", ""))
            .withCumulative(fields.flag("cumulative"))
            .withMaxInFlight(fields.number("max_in_flight", 4096), 32 << 20)
            .withTimeout(USUAL);
    fields.allRead();
    var perSecond = step.number("per_second", 0);
    var begun = System.nanoTime();
    var futures = new ArrayList<CompletableFuture<PublishResult>>();
    try (var many = client.publisher(options)) {
      for (var message : messages) {
        if (perSecond > 0 && futures.size() % 100 == 0) {
          var due = begun + futures.size() * 1_000_000_000L / perSecond;
          TimeUnit.NANOSECONDS.sleep(due - System.nanoTime());
        }
        futures.add(many.publish(message));
      }
      many.flush();
    }
    var results = step.array("results");
    for (var i = 0; i < futures.size(); i++) {
      var expected = i < results.size() ? results.get(i).getAsJsonObject() : new JsonObject();
      try {
        Expected.outcome(futures.get(i).get(within.toSeconds(), TimeUnit.SECONDS), null, expected);
      } catch (ExecutionException failed) {
        Expected.outcome(null, (JetgateException) failed.getCause(), expected);
      }
    }
  }

  private static void publishBatch(Step step, Client client) {
    var messages = new ArrayList<Message>();
    step.array("messages").forEach(message -> messages.add(Expected.message(message.getAsJsonObject())));
    var outcomes = client.publishBatch(BatchMode.valueOf(step.text("mode", "").toUpperCase()), messages);
    assertEquals(messages.size(), outcomes.size());
    var results = step.array("results");
    for (var i = 0; i < outcomes.size(); i++) {
      var expected = i < results.size() ? results.get(i).getAsJsonObject() : new JsonObject();
      Expected.outcome(outcomes.get(i).result(), outcomes.get(i).error(), expected);
    }
  }

  private void open(Step step, Client client) {
    var stream = step.text("stream", "");
    if (step.flag("ordered")) {
      var options = ReaderOptions.defaults().withFromSequence(step.number("from_sequence", 0));
      if (step.has("resume")) {
        options = options.withResume(positions.get(step.text("resume", "")));
      }
      readers.put(step.text("as", ""), client.read(stream, options));
      return;
    }
    var options =
        ConsumerOptions.defaults()
            .withMaxOutstanding(step.number("max_outstanding", 1000))
            .withMaxOutstandingBytes(step.number("max_outstanding_bytes", 0))
            .withLease(step.time("lease", Duration.ofMinutes(10)));
    consumers.put(step.text("as", ""), client.consume(stream, step.text("consumer", ""), options));
  }

  private void close(String what) {
    var consumer = consumers.remove(what);
    if (consumer != null) {
      consumer.close();
    }
    var reader = readers.remove(what);
    if (reader != null) {
      positions.put(what, reader.position());
      reader.close();
    }
  }

  private Delivery next(String name, Duration timeout) throws InterruptedException {
    return readers.containsKey(name) ? readers.get(name).receive(timeout) : consumers.get(name).receive(timeout);
  }

  /** The next message of whichever has one; null when none has in this time. */
  private Delivery next(List<String> names, Duration within) throws InterruptedException {
    if (names.size() == 1) {
      return next(names.get(0), within);
    }
    for (var end = System.nanoTime() + within.toNanos(); System.nanoTime() < end; ) {
      for (var name : names) {
        var message = next(name, Duration.ofMillis(20));
        if (message != null) {
          return message;
        }
      }
    }
    return null;
  }

  private static List<String> names(JsonElement written) {
    var names = new ArrayList<String>();
    if (written.isJsonArray()) {
      written.getAsJsonArray().forEach(name -> names.add(name.getAsString()));
    } else {
      names.add(written.getAsString());
    }
    return names;
  }

  private void receive(Step step, Duration within) throws InterruptedException {
    var sources = names(step.get("from"));
    if (step.has("nothing_for")) {
      assertNull(next(sources, step.time("nothing_for", null)));
      return;
    }
    var notBefore = step.time("not_before", Duration.ZERO);
    for (var expected : step.array("expect")) {
      var message = next(sources, within);
      assertNotNull(message, "nothing came instead of " + expected);
      var now = System.nanoTime();
      if (!notBefore.isZero()) {
        var waited = now - receivedAt.get(message.sequence());
        assertTrue(waited >= notBefore.toNanos(), message + " came again after " + waited + " ns");
      }
      received.add(message);
      receivedAt.put(message.sequence(), now);
      Expected.delivery(message, expected.getAsJsonObject());
    }
  }

  private static void settle(Received message, Step step) {
    var confirm = step.flag("confirm");
    var delay = step.time("delay", Duration.ZERO);
    var reason = step.text("reason", "");
    switch (step.text("kind", "")) {
      case "ack" -> {
        if (confirm) {
          message.ackConfirmed();
        } else {
          message.ack();
        }
      }
      case "nak" -> message.nak(delay);
      case "term" -> message.term(reason);
      case "in_progress" -> message.inProgress();
      default -> throw new AssertionError("unknown kind");
    }
  }

  private void collect(Step step, Duration within) throws InterruptedException {
    var prefix = step.text("prefix", "");
    var first = step.number("first", 1);
    var missing = new HashSet<String>();
    IntStream.range(first, first + step.number("count", 0)).forEach(number -> missing.add(prefix + number));
    var inOrder = step.flag("in_order");
    var eachOnce = step.flag("each_once");
    var acks = step.text("settle", "").equals("ack");
    var sources = names(step.get("from"));
    var end = System.nanoTime() + Math.max(within.toNanos(), Duration.ofMinutes(1).toNanos());
    for (var number = first; !missing.isEmpty(); number++) {
      var message = next(sources, Duration.ofNanos(end - System.nanoTime()));
      assertNotNull(message, missing.size() + " did not come");
      var text = message.text();
      assertTrue(!inOrder || text.equals(prefix + number), text + " instead of " + number);
      assertTrue(missing.remove(text) || !(inOrder || eachOnce), text + " came twice, or is another's");
      if (acks && message instanceof Received mine) {
        mine.ack();
      }
    }
  }
}
