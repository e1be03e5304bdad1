package jetgate.client;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import jetgate.v1.ItemStatus;

/**
 * Why a call, or one message of it, failed. Programs branch on {@link #reason()}, never on the message.
 */
public final class JetgateException extends RuntimeException {
  static final String PREFIX = "ERROR_REASON_";

  private final transient Status.Code code;
  private final String reason;
  private final transient Map<String, String> metadata;
  private final transient Map<String, String> violations;
  private final Duration retryDelay;

  private JetgateException(
      String message,
      Status.Code code,
      String reason,
      Map<String, String> metadata,
      Map<String, String> violations,
      Duration retryDelay,
      Throwable cause) {
    super(code + (reason.isEmpty() ? "" : " " + reason) + ": " + message, cause);
    this.code = code;
    this.reason = reason;
    this.metadata = Map.copyOf(metadata);
    this.violations = Map.copyOf(violations);
    this.retryDelay = retryDelay;
  }

  /** The gRPC status. */
  public Status.Code code() {
    return code;
  }

  /**
   * One of {@link jetgate.v1.ErrorReason} without its prefix, "STREAM_NOT_FOUND" for example. Empty where the gateway was
   * not reached.
   */
  public String reason() {
    return reason;
  }

  /** Facts that belong to the reason. */
  public Map<String, String> metadata() {
    return metadata;
  }

  /** What is wrong with which field of the request. */
  public Map<String, String> violations() {
    return violations;
  }

  /** How long to wait before a retry, where the gateway says so; otherwise zero. */
  public Duration retryDelay() {
    return retryDelay;
  }

  /** Whether repeating the call may help. */
  public Retry retry() {
    if (!reason.isEmpty()) {
      return Retry.of(reason);
    }
    return switch (code) {
      case UNAVAILABLE, CANCELLED, UNKNOWN, INTERNAL, DEADLINE_EXCEEDED -> Retry.LATER;
      default -> Retry.UNSPECIFIED;
    };
  }

  /** Whether a message that could not be published may have been stored: repeat it with the same message id. */
  public boolean isOutcomeUnknown() {
    return reason.equals("PUBLISH_OUTCOME_UNKNOWN");
  }

  /** Whether a stream that ended so would end so again. */
  boolean isForGood() {
    if (reason.isEmpty()) {
      return code == Status.Code.UNIMPLEMENTED
          || code == Status.Code.UNAUTHENTICATED
          || code == Status.Code.PERMISSION_DENIED;
    }
    return retry() != Retry.LATER;
  }

  static JetgateException of(Throwable problem) {
    if (problem instanceof JetgateException known) {
      return known;
    }
    var status = Status.fromThrowable(problem);
    var reason = "";
    var delay = Duration.ZERO;
    Map<String, String> metadata = Map.of();
    var violations = new HashMap<String, String>();
    var details = StatusProto.fromThrowable(problem);
    for (var detail : details == null ? java.util.List.<com.google.protobuf.Any>of() : details.getDetailsList()) {
      try {
        if (detail.is(ErrorInfo.class)) {
          reason = detail.unpack(ErrorInfo.class).getReason();
          metadata = detail.unpack(ErrorInfo.class).getMetadataMap();
        } else if (detail.is(RetryInfo.class)) {
          var wait = detail.unpack(RetryInfo.class).getRetryDelay();
          delay = Duration.ofSeconds(wait.getSeconds(), wait.getNanos());
        } else if (detail.is(BadRequest.class)) {
          detail.unpack(BadRequest.class).getFieldViolationsList()
              .forEach(violation -> violations.put(violation.getField(), violation.getDescription()));
        }
      } catch (InvalidProtocolBufferException unreadable) {
        // A detail of a later version: what can be read still says enough.
      }
    }
    var message = status.getDescription() == null ? String.valueOf(problem.getMessage()) : status.getDescription();
    return new JetgateException(message, status.getCode(), reason, metadata, violations, delay, problem);
  }

  static JetgateException of(ItemStatus item) {
    var reason = item.getReason().name();
    return new JetgateException(
        item.getMessage(),
        Status.fromCodeValue(item.getCode()).getCode(),
        reason.startsWith(PREFIX) ? reason.substring(PREFIX.length()) : reason,
        item.getMetadataMap(),
        Map.of(),
        Duration.ZERO,
        null);
  }

  static JetgateException outcomeUnknown(String why) {
    return local(Status.Code.UNAVAILABLE, "PUBLISH_OUTCOME_UNKNOWN", "the message may be stored: " + why);
  }

  static JetgateException local(Status.Code code, String reason, String message) {
    return new JetgateException(message, code, reason, Map.of(), Map.of(), Duration.ZERO, null);
  }

  static JetgateException closed(String what) {
    return local(Status.Code.CANCELLED, "", "the " + what + " is closed");
  }
}
