package jetgate.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import jetgate.v1.StreamConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Compiles every snippet of the README; the first is a program, and is run. */
class ReadmeTest {
  @Test
  void snippets(@TempDir Path folder) throws Exception {
    var snippets = new ArrayList<String>();
    var matcher = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(Path.of("README.md")));
    while (matcher.find()) {
      snippets.add(matcher.group(1));
    }
    assertTrue(snippets.size() >= 6, snippets.size() + " snippets");
    for (var number = 1; number < snippets.size(); number++) {
      write(folder, "Snippet" + number, asMethod("Snippet" + number, snippets.get(number)));
    }
    try (var world = World.of("{}"); var client = world.connect()) {
      client.createStream(StreamConfig.newBuilder().setName("USERS").addSubjects("users.*").build());
      write(folder, "Example", snippets.get(0).replace("127.0.0.1:50051", world.gateways().get(0)));
      compile(folder);
      var java = ProcessHandle.current().info().command().orElse("java");
      var path = folder + System.getProperty("path.separator") + System.getProperty("java.class.path");
      var program = new ProcessBuilder(java, "-cp", path, "Example").redirectErrorStream(true).start();
      var said = new String(program.getInputStream().readAllBytes());
      assertEquals(0, program.waitFor(), said);
      assertTrue(said.contains("stream=USERS, sequence=1, duplicate=false"), said);
    }
  }

  private static String asMethod(String name, String statements) {
    return "import java.io.File; import java.time.Duration; import jetgate.client.*; import jetgate.v1.StreamConfig;\n"
        + "class " + name + " { static void run(" + (statements.contains("var client") ? "" : "Client client, ")
        + "byte[] payload) throws Exception {\n" + statements + "} }\n";
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
