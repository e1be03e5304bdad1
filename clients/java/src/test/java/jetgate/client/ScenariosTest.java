package jetgate.client;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Carries out tests/scenarios, and reports for the matrix of all clients. */
class ScenariosTest {
  // Names the only one to carry out, without a report.
  private static final String ONLY = System.getenv("JETGATE_SCENARIO");
  private static final List<JsonObject> REPORT = Collections.synchronizedList(new ArrayList<>());

  static List<String> names() throws IOException {
    try (var files = Files.list(World.SCENARIOS)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(".json"))
          .map(name -> name.substring(0, name.length() - ".json".length()))
          .filter(name -> ONLY == null || ONLY.equals(name))
          .sorted()
          .toList();
    }
  }

  @ParameterizedTest
  @MethodSource("names")
  void scenario(String name) throws Exception {
    var content = Files.readString(World.SCENARIOS.resolve(name + ".json"));
    var begun = System.nanoTime();
    var result = "failed";
    try {
      Scenario.run(JsonParser.parseString(content).getAsJsonObject());
      result = "passed";
    } finally {
      var line = new JsonObject();
      line.addProperty("client", "java");
      line.addProperty("scenario", name);
      line.addProperty("result", result);
      line.addProperty("seconds", (System.nanoTime() - begun) / 1e9);
      line.addProperty("detail", "");
      REPORT.add(line);
    }
  }

  @AfterAll
  static void report() throws IOException {
    if (ONLY != null) {
      return;
    }
    var folder = System.getenv("JETGATE_SCENARIO_REPORTS");
    var target = Path.of(folder == null ? "../../target/scenarios" : folder);
    Files.createDirectories(target);
    Files.write(target.resolve("java.jsonl"), REPORT.stream().map(JsonObject::toString).toList());
  }
}
