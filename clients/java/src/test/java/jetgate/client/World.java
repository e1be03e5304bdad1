package jetgate.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** The real servers of a test: tests/scenarios/world.py starts them and does with them what it is told. */
final class World implements AutoCloseable {
  static final Path SCENARIOS = Path.of("../../tests/scenarios").toAbsolutePath().normalize();

  private final Process process;
  private final BufferedReader answers;
  private final JsonObject facts;

  /** Servers by the fields of the command {@code start}. */
  World(JsonObject start) {
    for (var name : List.of("JETGATE_BIN", "JETGATE_TEST_NATS_SERVER")) {
      if (System.getenv(name) == null) {
        throw new IllegalStateException(name + " is not set: make test-java sets it");
      }
    }
    try {
      process =
          new ProcessBuilder("python3", SCENARIOS.resolve("world.py").toString())
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
    answers = process.inputReader(StandardCharsets.UTF_8);
    var command = start.deepCopy();
    command.addProperty("do", "start");
    facts = tell(command);
  }

  static World of(String json) {
    return new World(JsonParser.parseString(json).getAsJsonObject());
  }

  List<String> gateways() {
    return texts(facts.getAsJsonArray("gateways"));
  }

  String caFile() {
    return facts.has("ca_file") ? facts.get("ca_file").getAsString() : null;
  }

  String otherCaFile() {
    return facts.get("other_ca_file").getAsString();
  }

  String apiKey() {
    return facts.has("api_key") ? facts.get("api_key").getAsString() : null;
  }

  /** A token of the world's issuer, by the fields of the command. */
  String token(JsonObject fields) {
    var command = fields.deepCopy();
    command.addProperty("do", "token");
    return tell(command).get("token").getAsString();
  }

  String shortKey() {
    return facts.get("short_key").getAsString();
  }

  Client connect() {
    return patient(Client.builder(String.join(",", gateways())).name("java-test")).build();
  }

  /** A machine that builds and tests at once may take seconds to load a class. */
  static Client.Builder patient(Client.Builder builder) {
    return builder.callTimeout(Duration.ofMinutes(1));
  }

  JsonObject tell(String command, int gateway) {
    var line = new JsonObject();
    line.addProperty("do", command);
    if (command.endsWith("_gateway")) {
      line.addProperty("gateway", gateway);
    }
    return tell(line);
  }

  /** Passes a command on and returns the answer. */
  synchronized JsonObject tell(JsonObject command) {
    try {
      var stdin = process.getOutputStream();
      stdin.write((command + "\n").getBytes(StandardCharsets.UTF_8));
      stdin.flush();
      var line = answers.readLine();
      var answer = JsonParser.parseString(line == null ? "{\"ok\": false}" : line).getAsJsonObject();
      if (!answer.get("ok").getAsBoolean()) {
        throw new IllegalStateException(command + ": " + answer.get("error"));
      }
      return answer;
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    }
  }

  static List<String> texts(JsonArray array) {
    var list = new ArrayList<String>();
    array.forEach(text -> list.add(text.getAsString()));
    return list;
  }

  static List<Integer> numbers(JsonArray array) {
    var list = new ArrayList<Integer>();
    array.forEach(number -> list.add(number.getAsInt()));
    return list;
  }

  @Override
  public void close() {
    try {
      process.getOutputStream().close();
      process.waitFor();
    } catch (IOException failed) {
      throw new UncheckedIOException(failed);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
