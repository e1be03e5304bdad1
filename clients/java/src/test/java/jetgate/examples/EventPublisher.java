package jetgate.examples;

import java.util.ArrayList;
import java.util.concurrent.CompletableFuture;
import jetgate.client.Client;
import jetgate.client.Message;
import jetgate.client.PublishResult;
import jetgate.client.PublisherOptions;

/**
 * Publishes events of a business process: each has an id of its own, so that publishing it again stores it once.
 *
 * <p>JETGATE_URL is the gateway, "http://127.0.0.1:50051" by default; JETGATE_API_KEY its key, if it asks for one; STREAM_NAME the
 * stream that is to take the events, by default whichever takes their subject; EVENTS how many events, 100 by default.
 */
public final class EventPublisher {
  private EventPublisher() {}

  public static void main(String[] arguments) throws Exception {
    var environment = System.getenv();
    var count = Integer.parseInt(environment.getOrDefault("EVENTS", "100"));
    var builder = Client.builder(environment.getOrDefault("JETGATE_URL", "http://127.0.0.1:50051")).name("event-publisher");
    if (environment.containsKey("JETGATE_API_KEY")) {
      builder.apiKey(environment.get("JETGATE_API_KEY"));
    }
    var options = PublisherOptions.defaults().withStream(environment.getOrDefault("STREAM_NAME", ""));
    try (var client = builder.build(); var publisher = client.publisher(options)) {
      var futures = new ArrayList<CompletableFuture<PublishResult>>();
      for (var number = 0; number < count; number++) {
        var event = "{\"user_id\": " + number + ", \"action\": \"login\"}";
        // The id is the event's, not the attempt's: a program that crashes and does all of it again stores it once.
        var message = Message.builder("users.login").payload(event).messageId("login-" + number).build();
        futures.add(publisher.publish(message));
      }
      publisher.flush();
      var duplicates = 0;
      for (var future : futures) {
        duplicates += future.get().duplicate() ? 1 : 0;
      }
      System.out.println("published " + count + " events, " + duplicates + " of them known before");
    }
  }
}
