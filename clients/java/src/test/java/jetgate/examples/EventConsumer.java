package jetgate.examples;

import jetgate.client.Client;

/**
 * Processes the messages of a durable consumer until SIGTERM, then finishes what it works on.
 *
 * <p>STREAM_NAME and CONSUMER_NAME say which consumer; JETGATE_URL is the gateway, "http://127.0.0.1:50051" by default;
 * JETGATE_API_KEY its key, if it asks for one.
 */
public final class EventConsumer {
  private EventConsumer() {}

  public static void main(String[] arguments) throws Exception {
    var environment = System.getenv();
    var builder = Client.builder(environment.getOrDefault("JETGATE_URL", "http://127.0.0.1:50051")).name("event-consumer");
    if (environment.containsKey("JETGATE_API_KEY")) {
      builder.apiKey(environment.get("JETGATE_API_KEY"));
    }
    var worker = Thread.currentThread();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      worker.interrupt();
      try {
        worker.join();
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
      }
    }));
    try (var client = builder.build();
        var consumer = client.consume(environment.get("STREAM_NAME"), environment.get("CONSUMER_NAME"))) {
      // Up to eight at a time. What fails comes again; a message that can never succeed is terminated instead.
      consumer.run(8, message -> {
        if (message.payload().length == 0) {
          message.term("an event without content");
          return;
        }
        System.out.println(message + ": " + message.text());
      });
    }
  }
}
