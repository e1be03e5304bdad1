package jetgate.bench;

import com.google.gson.JsonParser;
import io.nats.client.Nats;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import jetgate.client.Client;
import jetgate.v1.ConsumerConfig;
import jetgate.v1.StorageType;
import jetgate.v1.StreamConfig;

/**
 * Measures the Java client beside jnats, in turns, on the same servers: messages a second, published and consumed with
 * acknowledgements. {@code make bench-clients} calls it; JETGATE_BIN names the gateway, a release build.
 */
public final class Bench {
  static final String STREAM = "BENCH";
  static final String SUBJECT = "bench.java";
  static final String WORKER = "worker";
  static final int IN_FLIGHT = 4096;
  static final int OUTSTANDING = 1024;

  /** What a side has done in a round, in messages a second. */
  private record Rates(double publish, double consume) {}

  private Bench() {}

  /** Arguments: {@code --rounds} and {@code --messages}, each with a number behind it. */
  public static void main(String[] arguments) throws Exception {
    var given = new java.util.HashMap<>(Map.of("--rounds", 5, "--messages", 100_000));
    for (var at = 0; at + 1 < arguments.length; at += 2) {
      if (given.replace(arguments[at], Integer.valueOf(arguments[at + 1])) == null) {
        throw new IllegalArgumentException(arguments[at]);
      }
    }
    var process =
        new ProcessBuilder("python3", "../../../scenarios/world.py")
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (var stdin = process.getOutputStream()) {
      stdin.write("{\"do\": \"start\"}\n".getBytes());
      stdin.flush();
      var line = new BufferedReader(new InputStreamReader(process.getInputStream())).readLine();
      var answer = JsonParser.parseString(line).getAsJsonObject();
      if (!answer.get("ok").getAsBoolean()) {
        throw new IllegalStateException(line);
      }
      var gateway = answer.getAsJsonArray("gateways").get(0).getAsString();
      var nats = answer.getAsJsonArray("nats").get(0).getAsString();
      try (var client = Client.connect(gateway); var connection = Nats.connect(nats)) {
        run(client, List.of(new Gateway(client), new Native(connection)), given.get("--rounds"), given.get("--messages"));
      }
    } finally {
      process.waitFor();
    }
  }

  private static void run(Client client, List<Side> sides, int rounds, int count) throws Exception {
    var all = new ArrayList<Rates[]>();
    for (var round = 0; round <= rounds; round++) { // the first warms up
      var rates = new Rates[sides.size()];
      for (var turn = 0; turn < sides.size(); turn++) {
        var at = (round + turn) % sides.size();
        rates[at] = measure(client, sides.get(at), count);
      }
      if (round > 0) {
        all.add(rates);
      }
    }
    report("publish", all.stream().map(rates -> new double[] {rates[0].publish, rates[1].publish}).toList());
    report("consume", all.stream().map(rates -> new double[] {rates[0].consume, rates[1].consume}).toList());
  }

  /** Publishes and consumes so many messages of 256 bytes over a stream of its own. */
  private static Rates measure(Client client, Side side, int count) throws Exception {
    var stream = StreamConfig.newBuilder().setName(STREAM).addSubjects(SUBJECT);
    client.createStream(stream.setStorage(StorageType.STORAGE_TYPE_MEMORY).build());
    client.createConsumer(STREAM, ConsumerConfig.newBuilder().setDurableName(WORKER).setMaxAckPending(20_000).build());
    var begun = System.nanoTime();
    side.publish(count, new byte[256]);
    var published = System.nanoTime() - begun;
    var stored = client.stream(STREAM).getState().getMessages();
    if (stored != count) {
      throw new IllegalStateException("the stream has " + stored + " messages");
    }
    begun = System.nanoTime();
    side.consume(count);
    while (isUnsettled(client)) {
      Thread.onSpinWait();
    }
    var consumed = System.nanoTime() - begun;
    client.deleteStream(STREAM);
    return new Rates(count * 1e9 / published, count * 1e9 / consumed);
  }

  /** JetStream lacks some acknowledgement. */
  private static boolean isUnsettled(Client client) {
    var state = client.consumer(STREAM, WORKER).getState();
    return state.getNumAckPending() > 0 || state.getNumPending() > 0;
  }

  private static void report(String what, List<double[]> rates) {
    var ratios = rates.stream().mapToDouble(pair -> pair[0] / pair[1]).sorted().toArray();
    var ours = rates.stream().mapToDouble(pair -> pair[0]).sorted().toArray();
    var theirs = rates.stream().mapToDouble(pair -> pair[1]).sorted().toArray();
    var middle = ratios.length / 2;
    System.out.printf(
        "java %s with acks: %.2f of jnats (%.2f to %.2f): %.0f to %.0f messages a second%n",
        what, ratios[middle], ratios[0], ratios[ratios.length - 1], ours[middle], theirs[middle]);
  }
}
