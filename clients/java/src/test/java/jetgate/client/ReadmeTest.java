package jetgate.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import jetgate.v1.ConsumerConfig;
import jetgate.v1.StreamConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Runs every snippet of the README as it stands there, but for the addresses: the first is a program, the others are methods. */
class ReadmeTest {
  // The snippet that consumes until its thread is interrupted.
  private static final String ENDLESS = "consumer.run(";

  @Test
  @Timeout(value = 180, unit = TimeUnit.SECONDS)
  void snippets(@TempDir Path folder) throws Exception {
    var snippets = new ArrayList<String>();
    var matcher = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(Path.of("README.md")));
    while (matcher.find()) {
      snippets.add(matcher.group(1));
    }
    assertEquals(6, snippets.size());
    try (var world = World.of("{\"gateways\": 2}"); var secure = World.of("{\"tls\": true}"); var client = world.connect()) {
      client.createStream(StreamConfig.newBuilder().setName("USER_EVENTS").addSubjects("users.*").setMaxMsgs(9).build());
      var consumer = ConsumerConfig.newBuilder().setDurableName("user-event-processor");
      client.createConsumer("USER_EVENTS", consumer.build());
      var here = world.gateways();
      UnaryOperator<String> places =
          text ->
              text.replace("127.0.0.1:50051", here.get(0))
                  .replace("gateway-1:50051", here.get(0))
                  .replace("gateway-2:50051", here.get(1))
                  .replace("/etc/jetgate/ca.crt", secure.caFile())
                  .replace("System.getenv(\"JETGATE_API_KEY\")", "\"\"");
      write(folder, "Example", places.apply(snippets.get(0)));
      for (var number = 1; number < snippets.size(); number++) {
        write(folder, "Snippet" + number, asProgram(number, places.apply(snippets.get(number)), here.get(0)));
      }
      compile(folder);
      assertTrue(run(folder, "Example").contains("stream=ORDERS, sequence=1, duplicate=false"));
      var said = "";
      for (var number = 1; number < snippets.size(); number++) {
        said += run(folder, "Snippet" + number);
      }
      for (var part : List.of("1\n", "users.login: {}", "1 users.login", "STREAM_EXISTS NEVER {")) {
        assertTrue(said.contains(part), part + " is not in " + said);
      }
    }
  }

  private static String run(Path folder, String program) throws Exception {
    var java = ProcessHandle.current().info().command().orElse("java");
    var path = folder + System.getProperty("path.separator") + System.getProperty("java.class.path");
    var process = new ProcessBuilder(java, "-cp", path, program).redirectErrorStream(true).start();
    var said = new String(process.getInputStream().readAllBytes());
    assertEquals(0, process.waitFor(), said);
    return said;
  }

  /** What a snippet does not declare itself are a client and a payload; an endless one ends behind its first message. */
  private static String asProgram(int number, String statements, String gateway) {
    var client = statements.contains("var client") ? "" : "var client = Client.connect(\"" + gateway + "\");\n";
    var end =
        statements.contains(ENDLESS)
            ? "var worker = Thread.currentThread();\n"
                + "System.setOut(new java.io.PrintStream(System.out, true) {\n"
                + "public void println(String text) { super.println(text); worker.interrupt(); } });\n"
            : "";
    return "import java.io.File; import java.time.Duration; import jetgate.client.*; import jetgate.v1.StreamConfig;\n"
        + "public class Snippet" + number + " { public static void main(String[] arguments) throws Exception {\n"
        + "var payload = \"{}\".getBytes();\n" + client + end + statements
        + "\nThread.interrupted(); client.close(); } }\n";
  }

  private static void write(Path folder, String name, String content) throws Exception {
    Files.writeString(folder.resolve(name + ".java"), content);
  }

  private static void compile(Path folder) throws Exception {
    var arguments = new ArrayList<>(List.of("-cp", System.getProperty("java.class.path"), "-d", folder.toString()));
    try (var files = Files.list(folder)) {
      files.map(Path::toString).forEach(arguments::add);
    }
    var compiler = ToolProvider.getSystemJavaCompiler();
    assertEquals(0, compiler.run(null, System.err, System.err, arguments.toArray(String[]::new)));
  }
}
