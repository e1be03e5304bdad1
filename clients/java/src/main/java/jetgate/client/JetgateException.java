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
  private static final String OUTCOME_UNKNOWN = "PUBLISH_OUTCOME_UNKNOWN";

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
      var stated = Retry.of(reason);
      return stated != null ? stated : Retry.of(code);
    }
    return switch (code) {
      case UNAVAILABLE, CANCELLED, UNKNOWN, INTERNAL, DEADLINE_EXCEEDED -> Retry.LATER;
      case RESOURCE_EXHAUSTED -> isTooLarge() ? Retry.NEVER : Retry.UNSPECIFIED;
      default -> Retry.UNSPECIFIED;
    };
  }

  /** Whether gRPC itself did not take what came, for its size: it would come again. It has no code of its own for that. */
  private boolean isTooLarge() {
    return code == Status.Code.RESOURCE_EXHAUSTED && reason.isEmpty() && getMessage().contains("exceeds maximum size");
  }

  /** Whether a message that could not be published may have been stored: repeat it with the same message id. */
  public boolean isOutcomeUnknown() {
    return reason.equals(OUTCOME_UNKNOWN);
  }

  /** Whether a stream that ended so would end so again. */
  boolean isForGood() {
    if (reason.isEmpty()) {
      return code == Status.Code.UNIMPLEMENTED
          || code == Status.Code.UNAUTHENTICATED
          || code == Status.Code.PERMISSION_DENIED
          || isTooLarge();
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
    return new JetgateException(said(problem, status), status.getCode(), reason, metadata, violations, delay, problem);
  }

  /** What a connection failed of, its certificate for example, is said by the causes alone. */
  private static String said(Throwable problem, Status status) {
    var text = status.getDescription() == null ? String.valueOf(problem.getMessage()) : status.getDescription();
    for (var cause = status.getCause(); cause != null; cause = cause.getCause()) {
      if (cause.getMessage() != null && !text.contains(cause.getMessage())) {
        text += ": " + cause.getMessage();
      }
    }
    return text;
  }

  static JetgateException of(ItemStatus item) {
    return new JetgateException(
        item.getMessage(),
        Status.fromCodeValue(item.getCode()).getCode(),
        reason(item),
        item.getMetadataMap(),
        Map.of(),
        Duration.ZERO,
        null);
  }

  /** The reason's word; one that is younger than this library has its number only. */
  private static String reason(ItemStatus item) {
    return switch (item.getReason()) {
      case ERROR_REASON_UNSPECIFIED -> "";
      case UNRECOGNIZED -> "REASON_" + item.getReasonValue();
      default -> item.getReason().name().substring(PREFIX.length());
    };
  }

  /** A message that was sent, and whose answer is lost. */
  static JetgateException outcomeUnknown(String why, String messageId) {
    return outcomeUnknown(Status.Code.UNAVAILABLE, why, messageId, null);
  }

  /** This, as the last word on a message that may be stored all the same. */
  JetgateException asOutcomeUnknown(String messageId) {
    if (isOutcomeUnknown()) {
      return this;
    }
    var isTime = code == Status.Code.DEADLINE_EXCEEDED || code == Status.Code.CANCELLED;
    return outcomeUnknown(isTime ? code : Status.Code.UNAVAILABLE, getMessage(), messageId, this);
  }

  private static JetgateException outcomeUnknown(Status.Code code, String why, String messageId, Throwable cause) {
    Map<String, String> facts = messageId.isEmpty() ? Map.of() : Map.of("message_id", messageId);
    var message = "the message may be stored: " + why;
    return new JetgateException(message, code, OUTCOME_UNKNOWN, facts, Map.of(), Duration.ZERO, cause);
  }

  static JetgateException local(Status.Code code, String reason, String message) {
    return new JetgateException(message, code, reason, Map.of(), Map.of(), Duration.ZERO, null);
  }

  static JetgateException closed(String what) {
    return local(Status.Code.CANCELLED, "", "the " + what + " is closed");
  }
}
