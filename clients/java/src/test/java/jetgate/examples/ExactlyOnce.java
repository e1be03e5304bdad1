package jetgate.examples;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import jetgate.client.Client;
import jetgate.client.Message;
import jetgate.v1.ConsumerConfig;
import jetgate.v1.StreamConfig;

/**
 * Books each payment once, whatever crashes and however often it is started.
 *
 * <p>Its publisher names the business event: the payment's own id is the message id, not one of this attempt. Its consumer writes the
 * effect and that id in one step, before it acknowledges, and knows by the id what it has booked before. The acknowledgement is
 * confirmed: once it returns, JetStream has it.
 *
 * <p>JETGATE_URL is the gateway, "http://127.0.0.1:50051" by default; STREAM_NAME and CONSUMER_NAME are made where they are missing;
 * LEDGER is the file of what is booked. The program ends when nothing has come for five seconds.
 */
public final class ExactlyOnce {
  private ExactlyOnce() {}

  public static void main(String[] arguments) throws Exception {
    var environment = System.getenv();
    var stream = environment.getOrDefault("STREAM_NAME", "PAYMENTS");
    var name = environment.getOrDefault("CONSUMER_NAME", "ledger");
    var target = environment.getOrDefault("JETGATE_URL", "http://127.0.0.1:50051");
    // The first call of a fresh JVM may take many seconds on a busy machine.
    try (var client = Client.builder(target).name("exactly-once").callTimeout(Duration.ofMinutes(1)).build();
        var ledger = new Ledger(Path.of(environment.getOrDefault("LEDGER", "ledger.txt")))) {
      client.createStream(StreamConfig.newBuilder().setName(stream).addSubjects("payments.*").build());
      client.createConsumer(stream, ConsumerConfig.newBuilder().setDurableName(name).build());
      for (var payment : List.of("payment-1", "payment-2", "payment-3")) {
        var message = Message.builder("payments.received").payload("100").messageId(payment).build();
        System.out.println(payment + ": published before: " + client.publish(message).duplicate());
      }
      try (var consumer = client.consume(stream, name)) {
        var wait = Duration.ofSeconds(5);
        for (var message = consumer.receive(wait); message != null; message = consumer.receive(wait)) {
          var isNew = ledger.book(message.messageId(), message.text());
          message.ackConfirmed();
          System.out.println(message.messageId() + ": booked before: " + !isNew);
        }
      }
    }
  }

  /** What would be a database: a line has the effect and the id, and is there as a whole or not at all. */
  private static final class Ledger implements AutoCloseable {
    private final FileChannel file;
    private final Set<String> booked = new HashSet<>();

    Ledger(Path path) throws IOException {
      file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
      Files.readAllLines(path).forEach(line -> booked.add(line.split(" ")[0]));
    }

    /** Writes an amount under an id; false where it is there already. */
    boolean book(String id, String amount) throws IOException {
      if (booked.contains(id)) {
        return false;
      }
      file.write(ByteBuffer.wrap((id + " " + amount + "\n").getBytes(StandardCharsets.UTF_8)));
      file.force(false);
      return booked.add(id);
    }

    @Override
    public void close() throws IOException {
      file.close();
    }
  }
}
