package jetgate.client;

import jetgate.v1.PublishBatchMode;

/** What the messages of a batch have to do with one another. */
public enum BatchMode {
  /** Each fails or succeeds by itself. */
  INDEPENDENT(PublishBatchMode.PUBLISH_BATCH_MODE_INDEPENDENT),
  /** Each is sent after the one before it is stored; nothing behind the first that fails. */
  ORDERED(PublishBatchMode.PUBLISH_BATCH_MODE_ORDERED_STOP_ON_ERROR),
  /** All or none are stored; the stream needs {@code allow_atomic}. */
  ATOMIC(PublishBatchMode.PUBLISH_BATCH_MODE_ATOMIC);

  private final PublishBatchMode mode;

  BatchMode(PublishBatchMode mode) {
    this.mode = mode;
  }

  PublishBatchMode toProto() {
    return mode;
  }
}
