package jetgate.bench;

import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.CompletableFuture;
import jetgate.client.Client;
import jetgate.client.ConsumerOptions;
import jetgate.client.Message;
import jetgate.client.PublishResult;
import jetgate.client.PublisherOptions;

/** The Java client through the gateway. */
record Gateway(Client client) implements Side {
  @Override
  public void publish(int count, byte[] payload) throws Exception {
    var futures = new ArrayList<CompletableFuture<PublishResult>>(count);
    var options = PublisherOptions.defaults().withMaxInFlight(Bench.IN_FLIGHT, 32 << 20).withMessageIds(false);
    try (var publisher = client.publisher(options)) {
      for (var sent = 0; sent < count; sent++) {
        futures.add(publisher.publish(Message.of(Bench.SUBJECT, payload)));
      }
      publisher.flush();
    }
    for (var future : futures) {
      future.get();
    }
  }

  @Override
  public void consume(int count) throws Exception {
    var options = ConsumerOptions.defaults().withMaxOutstanding(Bench.OUTSTANDING);
    try (var consumer = client.consume(Bench.STREAM, Bench.WORKER, options)) {
      for (var seen = 0; seen < count; seen++) {
        consumer.receive(Duration.ofSeconds(30)).ack();
      }
    }
  }
}
