// Carries a trace from a publisher through the stream to a consumer: W3C's traceparent goes along with the call, for the
// gateway's own spans, and the stored message brings it to whoever processes it.
//
// The trace is in the program's context; with OpenTelemetry its propagator writes and reads the same header, and its stats
// handler (jetgate.WithDialOptions) does what the interceptor does here.
//
// STREAM_NAME and CONSUMER_NAME say where to; JETGATE_URL is the gateway, "http://127.0.0.1:50051" by default; TRACEPARENT the
// trace that the program is called in.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	jetgate "github.com/jetgate/jetgate/clients/go"
)

const header = "traceparent"

type traceKey struct{}

func main() {
	if err := run(context.WithValue(context.Background(), traceKey{}, os.Getenv("TRACEPARENT"))); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	target := os.Getenv("JETGATE_URL")
	if target == "" {
		target = "http://127.0.0.1:50051"
	}
	client, err := jetgate.Connect(target, jetgate.WithName("tracing"), jetgate.WithDialOptions(grpc.WithUnaryInterceptor(annotate)))
	if err != nil {
		return err
	}
	defer client.Close()
	message := jetgate.Message{
		Subject: "users.login", Payload: []byte("ada"), Headers: []jetgate.Header{{Name: header, Value: trace(ctx)}},
	}
	if _, err := client.Publish(ctx, message); err != nil {
		return err
	}
	fmt.Println("published in", trace(ctx))

	consumer, err := client.Consume(ctx, jetgate.ConsumerConfig{
		Stream: os.Getenv("STREAM_NAME"), Consumer: os.Getenv("CONSUMER_NAME"),
	})
	if err != nil {
		return err
	}
	received, err := consumer.Next(ctx)
	if err != nil {
		return err
	}
	process(goOn(context.Background(), received), received)
	return consumer.Drain(ctx)
}

// process is the work, in the trace that its message came with.
func process(ctx context.Context, message *jetgate.Received) {
	fmt.Printf("%s goes on in %s\n", message.Payload, trace(ctx))
	message.Ack()
}

// goOn is a context in the trace of a message.
func goOn(ctx context.Context, message *jetgate.Received) context.Context {
	for _, each := range message.Headers {
		if each.Name == header {
			ctx = context.WithValue(ctx, traceKey{}, each.Value)
		}
	}
	return ctx
}

// annotate sends the trace along with a call.
func annotate(ctx context.Context, method string, request, answer any, connection *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if own := trace(ctx); own != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, header, own)
	}
	return call(ctx, method, request, answer, connection, options...)
}

func trace(ctx context.Context) string {
	own, _ := ctx.Value(traceKey{}).(string)
	return own
}
