package jetgate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// Option is one setting of a client.
type Option func(*settings) error

type settings struct {
	name      string
	transport credentials.TransportCredentials
	caller    credentials.PerRPCCredentials
	dial      []grpc.DialOption
}

// WithName says who calls, for the gateway's lists and log.
func WithName(name string) Option {
	return func(s *settings) error { s.name = name; return nil }
}

// WithTLS encrypts by this configuration; a certificate in it says who calls.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) error { s.transport = credentials.NewTLS(config); return nil }
}

// WithCAFile encrypts, and trusts the authorities in this PEM file.
func WithCAFile(path string) Option {
	return func(s *settings) error {
		pem, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("jetgate: %s has no certificate", path)
		}
		s.transport = credentials.NewTLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
		return nil
	}
}

// WithAPIKey says by an API key or another bearer token who calls. It is sent without TLS, too: use both.
func WithAPIKey(key string) Option {
	return func(s *settings) error {
		s.caller = bearer(func(context.Context) (string, error) { return key, nil })
		return nil
	}
}

// WithTokenSource asks for the bearer token before each call; the source keeps and renews it.
func WithTokenSource(source func(context.Context) (string, error)) Option {
	return func(s *settings) error { s.caller = bearer(source); return nil }
}

// WithDialOptions passes options to the gRPC connection: interceptors for tracing, for example.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) error { s.dial = append(s.dial, options...); return nil }
}

type bearer func(context.Context) (string, error)

func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

// Client holds the connections to the gateways of one installation. It is safe for concurrent use; a program has one.
type Client struct {
	connection *grpc.ClientConn
	name       string
	publisher  jetgatev1.PublisherServiceClient
	subscriber jetgatev1.SubscriberServiceClient
	streams    jetgatev1.StreamServiceClient
	consumers  jetgatev1.ConsumerServiceClient
	gateway    jetgatev1.GatewayServiceClient
}

// Connect makes a client of a gateway, or of several, separated by commas, over which calls are spread. An address is
// host:port, http://host:port or https://host:port, the same way for all of them; a host of IPv6 is in brackets. https://
// encrypts, and trusts the system's authorities unless WithTLS or WithCAFile says otherwise; http:// does not, and is refused
// together with those. Without a scheme these options decide: none is plain text. Any other gRPC target
// ("dns:///jetgate.example:443") works as well.
//
// Nothing is dialled before the first call. A gateway that is away is tried again after 0.1 s, then less often, every 2 s in
// the end. Messages of up to 128 MiB are received; a larger one ends the consumer or reader that it is for.
func Connect(target string, options ...Option) (*Client, error) {
	var s settings
	for _, option := range options {
		if err := option(&s); err != nil {
			return nil, err
		}
	}
	where, err := placeOf(target)
	if err != nil {
		return nil, err
	}
	if err := s.secure(where.scheme); err != nil {
		return nil, err
	}
	connection, err := grpc.NewClient(where.target, append(s.dialOptions(), append(where.dial, s.dial...)...)...)
	if err != nil {
		return nil, err
	}
	return &Client{
		connection: connection,
		name:       s.name,
		publisher:  jetgatev1.NewPublisherServiceClient(connection),
		subscriber: jetgatev1.NewSubscriberServiceClient(connection),
		streams:    jetgatev1.NewStreamServiceClient(connection),
		consumers:  jetgatev1.NewConsumerServiceClient(connection),
		gateway:    jetgatev1.NewGatewayServiceClient(connection),
	}, nil
}

// secure encrypts as the scheme of the addresses says; without one, as the options say.
func (s *settings) secure(scheme string) error {
	switch {
	case scheme == "http" && s.transport != nil:
		return errors.New("jetgate: http:// is plain text, and the options ask for TLS: use https://")
	case scheme == "https" && s.transport == nil:
		s.transport = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	case s.transport == nil:
		s.transport = insecure.NewCredentials()
	}
	return nil
}

// dialOptions is how a connection is made and kept.
func (s *settings) dialOptions() []grpc.DialOption {
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(s.transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(mostReceived)),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(4 * window),
		grpc.WithConnectParams(reconnecting),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
	}
	if s.caller != nil {
		dial = append(dial, grpc.WithPerRPCCredentials(s.caller))
	}
	return dial
}

// The largest message of gRPC that is received, in bytes. Batches are smaller than gRPC's own limit of 4 MiB, but a message of
// a stream that is larger comes alone, and there is no telling of which size.
const mostReceived = 128 << 20

// A gateway that is back is found within about two seconds, however long it was away: gRPC's own pause grows to two
// minutes. A connection that nobody answers, as to a machine that is gone, is given up for the next attempt.
var reconnecting = grpc.ConnectParams{
	Backoff:           grpcbackoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
	MinConnectTimeout: 10 * time.Second,
}

// What a stream may have on its way to us before it waits: a batch of messages and the next.
const window = 8 << 20

// Calls are spread over the gateways. What fails with UNAVAILABLE is repeated where repeating is harmless: creating is
// idempotent. Publishes are repeated by this library, which has to know what became of each attempt.
const serviceConfig = `{
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [{
    "name": [
      {"service": "jetgate.v1.SubscriberService", "method": "Acknowledge"},
      {"service": "jetgate.v1.StreamService", "method": "CreateStream"},
      {"service": "jetgate.v1.StreamService", "method": "ApplyStream"},
      {"service": "jetgate.v1.StreamService", "method": "GetStream"},
      {"service": "jetgate.v1.StreamService", "method": "ListStreams"},
      {"service": "jetgate.v1.StreamService", "method": "GetMessage"},
      {"service": "jetgate.v1.ConsumerService", "method": "CreateConsumer"},
      {"service": "jetgate.v1.ConsumerService", "method": "ApplyConsumer"},
      {"service": "jetgate.v1.ConsumerService", "method": "GetConsumer"},
      {"service": "jetgate.v1.ConsumerService", "method": "ListConsumers"},
      {"service": "jetgate.v1.GatewayService", "method": "GetInfo"}
    ],
    "retryPolicy": {
      "maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}`

// Conn is the connection, for the generated clients of package jetgatev1.
func (c *Client) Conn() grpc.ClientConnInterface { return c.connection }

// Close ends the connections. Publishers and consumers are closed first, by their own Close.
func (c *Client) Close() error { return c.connection.Close() }

// Without a deadline of the caller's a call has this long.
const callTimeout = 10 * time.Second

// bounded gives a call a deadline where the caller set none.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, callTimeout)
}

// backoff waits longer after each failure, up to two seconds, give or take half.
type backoff struct{ failures int }

func (b *backoff) wait(ctx context.Context, err error) error {
	timer := time.NewTimer(b.next(err))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// next is how long to wait now.
func (b *backoff) next(err error) time.Duration {
	delay := min(50*time.Millisecond<<min(b.failures, 6), 2*time.Second)
	b.failures++
	delay = delay/2 + jitter(delay)
	var failed *Error
	if errors.As(err, &failed) && failed.RetryDelay > delay {
		delay = failed.RetryDelay
	}
	return delay
}
