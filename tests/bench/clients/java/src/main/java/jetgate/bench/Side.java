package jetgate.bench;

/** One of the two that are compared; both do the same. */
interface Side {
  /** Publishes without waiting for each answer, and waits for all of them. */
  void publish(int count, byte[] payload) throws Exception;

  /** Acknowledges each message. */
  void consume(int count) throws Exception;
}
