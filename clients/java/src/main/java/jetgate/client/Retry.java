package jetgate.client;

import io.grpc.Status;

/** Whether repeating a failed call may help. */
public enum Retry {
  /** Nothing is said. */
  UNSPECIFIED,
  /** The same request fails again. */
  NEVER,
  /** The same request may succeed later; wait at least {@link JetgateException#retryDelay()}. */
  LATER,
  /** Safe only with the same message id, inside the stream's duplicate window. */
  SAME_ID,
  /** Read the current state first, then decide. */
  AFTER_READ;

  /** What the contract states for a reason; null for one that is younger than this library. */
  static Retry of(String reason) {
    var value = jetgate.v1.ErrorReason.getDescriptor().findValueByName(JetgateException.PREFIX + reason);
    if (value == null) {
      return null;
    }
    var retry = value.getOptions().getExtension(jetgate.v1.Error.reason).getRetry();
    return switch (retry) {
      case RETRY_NEVER -> NEVER;
      case RETRY_LATER -> LATER;
      case RETRY_WITH_SAME_ID -> SAME_ID;
      case RETRY_AFTER_READ -> AFTER_READ;
      default -> UNSPECIFIED;
    };
  }

  /** What a gateway means by a code, whatever its reason is. */
  static Retry of(Status.Code code) {
    return switch (code) {
      case UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED -> LATER;
      case ABORTED -> AFTER_READ;
      default -> NEVER;
    };
  }
}
