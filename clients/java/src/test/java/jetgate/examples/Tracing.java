package jetgate.examples;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import jetgate.client.Client;
import jetgate.client.Message;
import jetgate.client.Received;

/**
 * Carries a trace from a publisher through the stream to a consumer: W3C's traceparent goes along with the call, for the gateway's own
 * spans, and the stored message brings it to whoever processes it.
 *
 * <p>The trace is in gRPC's context; with OpenTelemetry its propagator writes and reads the same header, and its interceptor does what
 * the one here does.
 *
 * <p>STREAM_NAME and CONSUMER_NAME say where to; JETGATE_URL is the gateway, "http://127.0.0.1:50051" by default; TRACEPARENT the
 * trace that the program is called in.
 */
public final class Tracing {
  private static final String HEADER = "traceparent";
  private static final Metadata.Key<String> KEY = Metadata.Key.of(HEADER, Metadata.ASCII_STRING_MARSHALLER);
  private static final Context.Key<String> TRACE = Context.keyWithDefault(HEADER, "");

  private Tracing() {}

  public static void main(String[] arguments) throws Exception {
    var environment = System.getenv();
    var target = environment.getOrDefault("JETGATE_URL", "http://127.0.0.1:50051");
    // The first call of a fresh JVM may take many seconds on a busy machine.
    var builder = Client.builder(target).name("tracing").callTimeout(Duration.ofMinutes(1));
    try (var client = builder.intercept(new Annotating()).build()) {
      var called = Context.current().withValue(TRACE, environment.getOrDefault("TRACEPARENT", ""));
      called.run(() -> {
        client.publish(Message.builder("users.login").payload("ada").header(HEADER, TRACE.get()).build());
        System.out.println("published in " + TRACE.get());
      });
      try (var consumer = client.consume(environment.get("STREAM_NAME"), environment.get("CONSUMER_NAME"))) {
        var message = consumer.receive(Duration.ofSeconds(30));
        goOn(message).run(() -> process(message));
        consumer.drain(Duration.ofSeconds(10));
      }
    }
  }

  /** The work, in the trace that its message came with. */
  private static void process(Received message) {
    System.out.println(message.text() + " goes on in " + TRACE.get());
    message.ack();
  }

  /** A context in the trace of a message. */
  private static Context goOn(Received message) {
    var headers = message.headers().stream();
    var trace = headers.filter(header -> header.name().equals(HEADER)).map(header -> header.text()).findFirst();
    return Context.current().withValue(TRACE, trace.orElse(""));
  }

  /** Sends the trace along with each call. */
  private static final class Annotating implements ClientInterceptor {
    @Override
    public <Q, R> ClientCall<Q, R> interceptCall(MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
      return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
        @Override
        public void start(Listener<R> listener, Metadata metadata) {
          if (!TRACE.get().isEmpty()) {
            metadata.put(KEY, TRACE.get());
          }
          super.start(listener, metadata);
        }
      };
    }
  }
}
