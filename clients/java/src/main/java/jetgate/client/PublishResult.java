package jetgate.client;

import jetgate.v1.PublishResponse;

/**
 * Where a message is stored.
 *
 * @param stream the stream that took it
 * @param sequence its place in the stream; 0 where a cumulative publisher did not ask for it
 * @param duplicate true where the stream had a message of this id already, whose sequence this is
 * @param messageId the id with which it was stored
 */
public record PublishResult(String stream, long sequence, boolean duplicate, String messageId) {
  static PublishResult of(PublishResponse response) {
    return new PublishResult(
        response.getStream(), response.getSequence(), response.getDuplicate(), response.getMessageId());
  }
}
