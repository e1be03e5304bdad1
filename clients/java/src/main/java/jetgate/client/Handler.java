package jetgate.client;

/** Processes a message. What it throws brings the message back. */
@FunctionalInterface
public interface Handler {
  /** Processes a message. */
  void handle(Received message) throws Exception;
}
