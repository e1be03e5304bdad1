package jetgate.bench;

import io.nats.client.Connection;
import io.nats.client.ConsumeOptions;
import io.nats.client.api.PublishAck;
import java.time.Duration;
import java.util.ArrayList;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;

/** jnats: as fast as its futures allow, with so many unanswered at a time, and its simplified consume. */
record Native(Connection connection) implements Side {
  @Override
  public void publish(int count, byte[] payload) throws Exception {
    var stream = connection.jetStream();
    var room = new Semaphore(Bench.IN_FLIGHT);
    var futures = new ArrayList<CompletableFuture<PublishAck>>(count);
    for (var sent = 0; sent < count; sent++) {
      room.acquire();
      var future = stream.publishAsync(Bench.SUBJECT, payload);
      future.whenComplete((answer, failure) -> room.release());
      futures.add(future);
    }
    for (var future : futures) {
      future.get();
    }
  }

  @Override
  public void consume(int count) throws Exception {
    var consumer = connection.getConsumerContext(Bench.STREAM, Bench.WORKER);
    var options = ConsumeOptions.builder().batchSize(Bench.OUTSTANDING).build();
    try (var messages = consumer.iterate(options)) {
      for (var seen = 0; seen < count; seen++) {
        messages.nextMessage(Duration.ofSeconds(30)).ack();
      }
    }
    connection.flush(Duration.ofSeconds(30));
  }
}
