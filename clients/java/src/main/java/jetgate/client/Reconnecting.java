package jetgate.client;

import io.grpc.Attributes;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientStreamTracer;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Connects at once when an attempt of a call found no gateway, so that the next attempt may find one. By itself gRPC waits longer
 * after each failure, up to two minutes, whoever asks meanwhile.
 */
final class Reconnecting extends ClientStreamTracer.Factory implements ClientInterceptor {
  // Many streams that are opened again at once are one reason to connect.
  private static final long PAUSE = Duration.ofSeconds(1).toNanos();

  private final ManagedChannel channel;
  private final AtomicLong begunAt = new AtomicLong(System.nanoTime() - PAUSE);

  Reconnecting(ManagedChannel channel) {
    this.channel = channel;
  }

  @Override
  public <Q, R> ClientCall<Q, R> interceptCall(MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
    return next.newCall(method, options.withStreamTracerFactory(this));
  }

  /** Each attempt of a call has its own. */
  @Override
  public ClientStreamTracer newClientStreamTracer(ClientStreamTracer.StreamInfo info, Metadata headers) {
    return new Attempt();
  }

  private void connect() {
    var before = begunAt.get();
    var now = System.nanoTime();
    if (now - before >= PAUSE && begunAt.compareAndSet(before, now)) {
      channel.resetConnectBackoff();
    }
  }

  private final class Attempt extends ClientStreamTracer {
    private volatile boolean isReached;

    @Override
    public void streamCreated(Attributes transport, Metadata headers) {
      isReached = true;
    }

    @Override
    public void streamClosed(Status status) {
      if (!isReached && status.getCode() == Status.Code.UNAVAILABLE) {
        connect();
      }
    }
  }
}
