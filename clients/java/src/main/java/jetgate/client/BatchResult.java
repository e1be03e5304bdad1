package jetgate.client;

/**
 * What became of one message of a batch.
 *
 * @param result where it is stored; null where it is not
 * @param error why it is not stored; null where it is
 */
public record BatchResult(PublishResult result, JetgateException error) {}
