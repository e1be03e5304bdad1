package jetgate.client;

import io.grpc.Attributes;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientStreamTracer;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import jetgate.v1.PublisherServiceGrpc;
import jetgate.v1.PublisherServiceGrpc.PublisherServiceBlockingStub;

/**
 * The attempts of one call that publishes. One that may have stored something is not taken back by later ones that fail: only an
 * answer makes the outcome known.
 */
final class Attempts {
  private final PublisherServiceBlockingStub stub;
  private final String messageId;
  private final boolean isRepeatable;
  private final long deadline;
  private final Backoff backoff = new Backoff();
  private long begunAt = System.nanoTime();
  // When the first attempt began that may have stored something; null where none has.
  private Long openSince;

  Attempts(Client client, Duration timeout, String messageId, boolean isRepeatable) {
    stub = client.authorised(PublisherServiceGrpc.newBlockingStub(client.channel()));
    this.messageId = messageId;
    this.isRepeatable = isRepeatable;
    deadline = System.nanoTime() + timeout.toNanos();
  }

  /** Makes the call, and again while that is safe and may help. */
  <R> R make(Function<PublisherServiceBlockingStub, R> call) {
    while (true) {
      var reached = new Reached();
      begunAt = System.nanoTime();
      var left = Math.max(1, deadline - begunAt);
      var attempt = stub.withInterceptors(reached).withDeadlineAfter(left, TimeUnit.NANOSECONDS);
      try {
        return Client.call(() -> call.apply(attempt));
      } catch (JetgateException failed) {
        failed(failed, reached.isReached);
      }
    }
  }

  /** What an answer says of one message that it refuses: an attempt before it may have stored the message. */
  JetgateException refused(JetgateException failed, String messageId) {
    return openSince != null ? failed.asOutcomeUnknown(messageId) : failed;
  }

  /** Waits for the next attempt, or throws what all of them come to. */
  void failed(JetgateException failed, boolean wasReached) {
    var isOpen = isOpen(failed, wasReached);
    openSince = isOpen && openSince == null ? Long.valueOf(begunAt) : openSince;
    var mayRepeat = isRepeatable || !isOpen;
    if (!isLost(failed, wasReached) || !mayRepeat || !backoff.pause(failed, deadline) || mayBeForgotten()) {
      throw refused(failed, messageId);
    }
  }

  /** The stream may not know the id any more: the message might be stored twice. */
  private boolean mayBeForgotten() {
    return openSince != null && Ledger.mayBeForgotten(openSince, Ledger.USUAL_WINDOW);
  }

  /** Whether there was no gateway, or its connection was lost. */
  private static boolean isLost(JetgateException failed, boolean wasReached) {
    // A connection that breaks at the very moment is gRPC's UNKNOWN.
    var isBroken = wasReached && failed.code() == Status.Code.UNKNOWN && failed.reason().isEmpty();
    return isBroken || failed.code() == Status.Code.UNAVAILABLE;
  }

  /** Whether the gateway may have done what was asked for, for all that this error says. */
  private static boolean isOpen(JetgateException failed, boolean wasReached) {
    // With a reason the gateway itself speaks: nothing was done, unless it says that nobody knows.
    return failed.reason().isEmpty() ? wasReached && failed.retry() == Retry.LATER : failed.isOutcomeUnknown();
  }

  /** Notes whether a connection took the call. */
  private static final class Reached extends ClientStreamTracer.Factory implements ClientInterceptor {
    volatile boolean isReached;

    @Override
    public <Q, R> ClientCall<Q, R> interceptCall(MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
      return next.newCall(method, options.withStreamTracerFactory(this));
    }

    @Override
    public ClientStreamTracer newClientStreamTracer(ClientStreamTracer.StreamInfo info, Metadata headers) {
      return new ClientStreamTracer() {
        @Override
        public void streamCreated(Attributes transport, Metadata headers) {
          isReached = true;
        }
      };
    }
  }
}
