package jetgate.client;

import io.grpc.CallCredentials;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import jetgate.v1.ApplyConsumerRequest;
import jetgate.v1.ApplyConsumerResponse;
import jetgate.v1.ApplyStreamRequest;
import jetgate.v1.ApplyStreamResponse;
import jetgate.v1.ConsumerConfig;
import jetgate.v1.ConsumerServiceGrpc;
import jetgate.v1.CreateConsumerRequest;
import jetgate.v1.CreateStreamRequest;
import jetgate.v1.DeleteConsumerRequest;
import jetgate.v1.DeleteStreamRequest;
import jetgate.v1.GatewayServiceGrpc;
import jetgate.v1.GetConsumerRequest;
import jetgate.v1.GetInfoRequest;
import jetgate.v1.GetInfoResponse;
import jetgate.v1.GetStreamRequest;
import jetgate.v1.PublishBatchRequest;
import jetgate.v1.Stream;
import jetgate.v1.StreamConfig;
import jetgate.v1.StreamServiceGrpc;

/**
 * Holds the connections to the gateways of one installation. Safe for threads; a program has one. Nothing is dialled before
 * the first call.
 */
public final class Client implements AutoCloseable {
  // Batches are much smaller, but a larger message of a stream comes alone, and nats-servers take up to 64 MiB.
  private static final int MOST_RECEIVED = 128 << 20;

  private final ManagedChannel connections;
  private final Channel channel;
  private final CallCredentials caller;
  private final String name;
  private final Duration callTimeout;

  private Client(Builder builder) {
    var target = Target.of(builder.target);
    var channelBuilder =
        Grpc.newChannelBuilder(target.name(), target.credentials(builder.credentials))
            .defaultLoadBalancingPolicy("round_robin")
            .defaultServiceConfig(ServiceConfig.RETRIES)
            .enableRetry()
            .keepAliveTime(20, TimeUnit.SECONDS)
            .keepAliveTimeout(10, TimeUnit.SECONDS)
            .maxInboundMessageSize(MOST_RECEIVED)
            .intercept(builder.interceptors);
    connections = channelBuilder.build();
    channel = ClientInterceptors.intercept(connections, new Reconnecting(connections));
    caller = builder.caller;
    name = builder.name;
    callTimeout = builder.callTimeout;
  }

  /** A client without credentials, in plain text unless the addresses are {@code https://}; see {@link #builder}. */
  public static Client connect(String target) {
    return builder(target).build();
  }

  /**
   * A client of a gateway, or of several, separated by commas, over which calls are spread. An address is {@code host:port}, {@code
   * http://host:port} or {@code https://host:port}, the same way for all of them; a literal of IPv6 is in brackets. {@code https://}
   * encrypts, and trusts the system's authorities unless {@link Builder#ca} or {@link Builder#credentials} says otherwise; {@code
   * http://} does not, and is refused together with those. Without a scheme they decide: where nothing is said, it is plain text. Any
   * other gRPC target ("dns:///jetgate.example:443") works as well.
   *
   * <p>Names are looked up again when a connection is lost, as often as the JVM lets them be ({@code networkaddress.cache.ttl}, 30 s by
   * default). Messages of up to 128 MiB are received.
   */
  public static Builder builder(String target) {
    return new Builder(target);
  }

  /** The channel, for the stubs of package {@code jetgate.v1}; credentials are the stub's own ({@code withCallCredentials}). */
  public Channel channel() {
    return channel;
  }

  /**
   * Stores one message and returns once its stream has taken it. For many messages a publisher is several times faster. Where {@link
   * JetgateException#isOutcomeUnknown()} the message may be stored: publish it again with the id that is in the metadata "message_id".
   */
  public PublishResult publish(Message message) {
    var request = message.request();
    if (request.getMessageId().isEmpty()) {
      // An id that only the gateway knows would not make the retries of this library safe.
      request = request.toBuilder().setMessageId(UUID.randomUUID().toString()).build();
    }
    var publish = request;
    var attempts = new Attempts(this, callTimeout, publish.getMessageId(), true);
    return PublishResult.of(attempts.make(stub -> stub.publish(publish)));
  }

  /**
   * Publishes up to 1,000 messages in one call and tells what became of each, in their order. An exception means with
   * {@link BatchMode#ATOMIC} that none is stored, unless {@link JetgateException#isOutcomeUnknown()}.
   */
  public List<BatchResult> publishBatch(BatchMode mode, List<Message> messages) {
    var request = PublishBatchRequest.newBuilder().setMode(mode.toProto());
    messages.forEach(message -> request.addMessages(message.request()));
    var haveIds = request.getMessagesList().stream().noneMatch(message -> message.getMessageId().isEmpty());
    var attempts = new Attempts(this, callTimeout, "", mode == BatchMode.INDEPENDENT && haveIds);
    var response = attempts.make(stub -> stub.publishBatch(request.build()));
    var results = new ArrayList<BatchResult>();
    for (var result : response.getResultsList()) {
      var id = request.getMessages(results.size()).getMessageId();
      results.add(
          result.getStatus().getCode() == 0
              ? new BatchResult(PublishResult.of(result.getPublished()), null)
              : new BatchResult(null, attempts.refused(JetgateException.of(result.getStatus()), id)));
    }
    return results;
  }

  /** A publisher with the usual settings. */
  public Publisher publisher() {
    return publisher(PublisherOptions.defaults());
  }

  /** A publisher. It connects with its first message. */
  public Publisher publisher(PublisherOptions options) {
    return new Publisher(this, options);
  }

  /** Opens a durable consumer, with the usual settings. */
  public Consumer consume(String stream, String consumer) {
    return consume(stream, consumer, ConsumerOptions.defaults());
  }

  /** Opens a durable consumer, and throws what keeps it from being opened. */
  public Consumer consume(String stream, String consumer, ConsumerOptions options) {
    return new Consumer(this, stream, consumer, options);
  }

  /** Reads a stream in order from its first message. */
  public Reader read(String stream) {
    return read(stream, ReaderOptions.defaults());
  }

  /** Reads a stream in order, and throws what keeps it from being opened. */
  public Reader read(String stream, ReaderOptions options) {
    return new Reader(this, stream, options);
  }

  /** Makes a stream. Where an equal one exists it is returned; a different one is STREAM_EXISTS. */
  public Stream createStream(StreamConfig config) {
    var request = CreateStreamRequest.newBuilder().setConfig(config).build();
    return call(() -> streams().createStream(request)).getStream();
  }

  /** Makes the stream, or changes it to this configuration, and says which it did. */
  public ApplyStreamResponse applyStream(StreamConfig config) {
    return call(() -> streams().applyStream(ApplyStreamRequest.newBuilder().setConfig(config).build()));
  }

  /** A stream's configuration and state. */
  public Stream stream(String stream) {
    return call(() -> streams().getStream(GetStreamRequest.newBuilder().setStream(stream).build())).getStream();
  }

  /** Removes a stream with all its messages and consumers. */
  public void deleteStream(String stream) {
    call(() -> streams().deleteStream(DeleteStreamRequest.newBuilder().setStream(stream).build()));
  }

  /** Makes a consumer. Where an equal one exists it is returned; a different one is CONSUMER_EXISTS. */
  public jetgate.v1.Consumer createConsumer(String stream, ConsumerConfig config) {
    var request = CreateConsumerRequest.newBuilder().setStream(stream).setConfig(config).build();
    return call(() -> consumers().createConsumer(request)).getConsumer();
  }

  /** Makes the consumer, or changes it to this configuration, and says which it did. */
  public ApplyConsumerResponse applyConsumer(String stream, ConsumerConfig config) {
    var request = ApplyConsumerRequest.newBuilder().setStream(stream).setConfig(config).build();
    return call(() -> consumers().applyConsumer(request));
  }

  /** A consumer's configuration and state. */
  public jetgate.v1.Consumer consumer(String stream, String consumer) {
    var request = GetConsumerRequest.newBuilder().setStream(stream).setConsumer(consumer).build();
    return call(() -> consumers().getConsumer(request)).getConsumer();
  }

  /** Removes a consumer; what it has not acknowledged stays in its stream. */
  public void deleteConsumer(String stream, String consumer) {
    var request = DeleteConsumerRequest.newBuilder().setStream(stream).setConsumer(consumer).build();
    call(() -> consumers().deleteConsumer(request));
  }

  /** The gateway's version, its NATS connection and its limits. */
  public GetInfoResponse info() {
    return call(() -> stub(GatewayServiceGrpc.newBlockingStub(channel)).getInfo(GetInfoRequest.getDefaultInstance()));
  }

  /** Ends the connections. Publishers, consumers and readers are closed first, by their own close. */
  @Override
  public void close() {
    connections.shutdown();
    try {
      if (!connections.awaitTermination(5, TimeUnit.SECONDS)) {
        connections.shutdownNow();
      }
    } catch (InterruptedException interrupted) {
      connections.shutdownNow();
      Thread.currentThread().interrupt();
    }
  }

  String name() {
    return name;
  }

  /** A stub with the credentials and the usual deadline. */
  <S extends io.grpc.stub.AbstractStub<S>> S stub(S stub) {
    return authorised(stub).withDeadlineAfter(callTimeout.toMillis(), TimeUnit.MILLISECONDS);
  }

  <S extends io.grpc.stub.AbstractStub<S>> S authorised(S stub) {
    return caller == null ? stub : stub.withCallCredentials(caller);
  }

  static <T> T call(Supplier<T> call) {
    try {
      return call.get();
    } catch (io.grpc.StatusRuntimeException failed) {
      throw JetgateException.of(failed);
    }
  }

  private StreamServiceGrpc.StreamServiceBlockingStub streams() {
    return stub(StreamServiceGrpc.newBlockingStub(channel));
  }

  private ConsumerServiceGrpc.ConsumerServiceBlockingStub consumers() {
    return stub(ConsumerServiceGrpc.newBlockingStub(channel));
  }

  /** Says how a client connects. */
  public static final class Builder {
    private final String target;
    private final List<ClientInterceptor> interceptors = new ArrayList<>();
    // Null where the target decides.
    private ChannelCredentials credentials;
    private CallCredentials caller;
    private String name = "";
    private Duration callTimeout = Duration.ofSeconds(10);

    private Builder(String target) {
      this.target = target;
    }

    /** Who calls, for the gateway's lists and log. */
    public Builder name(String name) {
      this.name = name;
      return this;
    }

    /** How long a call may take; 10 s unless this is said. Publishers, consumers and readers have their own times. */
    public Builder callTimeout(Duration timeout) {
      callTimeout = timeout;
      return this;
    }

    /** Encrypts, and trusts the system's authorities. */
    public Builder tls() {
      credentials = TlsChannelCredentials.create();
      return this;
    }

    /** Encrypts, and trusts the authorities in this PEM file. */
    public Builder ca(File pem) {
      try {
        credentials = TlsChannelCredentials.newBuilder().trustManager(pem).build();
      } catch (IOException unreadable) {
        throw new UncheckedIOException(unreadable);
      }
      return this;
    }

    /** Encrypts by these credentials: client certificates, for example. */
    public Builder credentials(ChannelCredentials credentials) {
      this.credentials = credentials;
      return this;
    }

    /** Says by an API key or another bearer token who calls. It is sent without TLS, too: use both. */
    public Builder apiKey(String key) {
      return tokens(() -> key);
    }

    /** Asks for the bearer token before each call; the supplier keeps and renews it. */
    public Builder tokens(Supplier<String> tokens) {
      caller = new Bearer(tokens);
      return this;
    }

    /** Adds an interceptor, for tracing for example. */
    public Builder intercept(ClientInterceptor interceptor) {
      interceptors.add(interceptor);
      return this;
    }

    /** The client. An {@link IllegalArgumentException} says what is wrong with its addresses. */
    public Client build() {
      return new Client(this);
    }
  }

  private static final class Bearer extends CallCredentials {
    private static final Metadata.Key<String> AUTHORIZATION =
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private final Supplier<String> tokens;

    Bearer(Supplier<String> tokens) {
      this.tokens = tokens;
    }

    @Override
    public void applyRequestMetadata(RequestInfo info, Executor executor, MetadataApplier applier) {
      executor.execute(
          () -> {
            try {
              var metadata = new Metadata();
              metadata.put(AUTHORIZATION, "Bearer " + tokens.get());
              applier.apply(metadata);
            } catch (RuntimeException failed) {
              applier.fail(Status.UNAUTHENTICATED.withDescription("there is no token").withCause(failed));
            }
          });
    }
  }

  /**
   * What is repeated when it fails with UNAVAILABLE, or with UNKNOWN, as where a connection breaks at the very moment: what is harmless
   * to repeat. Publishes are repeated by {@link Attempts}, which has to know what became of each.
   */
  private static final class ServiceConfig {
    static final Map<String, Object> RETRIES =
        Map.of(
            "methodConfig",
            List.of(
                Map.of(
                    "name",
                    List.of(
                        method("SubscriberService", "Acknowledge"),
                        method("StreamService", "CreateStream"),
                        method("StreamService", "ApplyStream"),
                        method("StreamService", "GetStream"),
                        method("StreamService", "ListStreams"),
                        method("StreamService", "GetMessage"),
                        method("ConsumerService", "CreateConsumer"),
                        method("ConsumerService", "ApplyConsumer"),
                        method("ConsumerService", "GetConsumer"),
                        method("ConsumerService", "ListConsumers"),
                        method("GatewayService", "GetInfo")),
                    "retryPolicy",
                    Map.of(
                        "maxAttempts", 5.0,
                        "initialBackoff", "0.1s",
                        "maxBackoff", "2s",
                        "backoffMultiplier", 2.0,
                        "retryableStatusCodes", List.of("UNAVAILABLE", "UNKNOWN")))));

    private static Map<String, String> method(String service, String method) {
      return Map.of("service", "jetgate.v1." + service, "method", method);
    }
  }
}
