// Measures the Go client beside nats.go, in turns, on the same servers: messages a second, published and consumed with
// acknowledgements.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	jetgate "github.com/jetgate/jetgate/clients/go"
	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

const (
	stream, subject, worker = "BENCH", "bench.go", "worker"
	window                  = 4096
)

func main() {
	rounds := flag.Int("rounds", 5, "rounds, each of both sides")
	count := flag.Int("messages", 100_000, "messages in a round")
	flag.Parse()
	if err := run(context.Background(), *rounds, *count); err != nil {
		log.Fatal(err)
	}
}

// side is one of the two that are compared; both do the same.
type side interface {
	name() string
	publish(ctx context.Context, count int, payload []byte) error
	consume(ctx context.Context, count int) error
}

func run(ctx context.Context, rounds, count int) error {
	servers, err := startServers()
	if err != nil {
		return err
	}
	defer servers.end()
	client, err := jetgate.Connect(servers.Gateways[0])
	if err != nil {
		return err
	}
	defer client.Close()
	connection, err := nats.Connect(servers.Nats[0])
	if err != nil {
		return err
	}
	defer connection.Close()
	js, err := jetstream.New(connection, jetstream.WithPublishAsyncMaxPending(window))
	if err != nil {
		return err
	}
	sides := []side{&gateway{client}, &native{js}}
	rates := map[string][]float64{}
	for round := range rounds + 1 { // the first warms up
		for turn := range sides {
			one := sides[(round+turn)%len(sides)]
			published, consumed, err := measure(ctx, client, one, count)
			if err != nil {
				return fmt.Errorf("%s: %w", one.name(), err)
			}
			if round > 0 {
				rates["publish "+one.name()] = append(rates["publish "+one.name()], published)
				rates["consume "+one.name()] = append(rates["consume "+one.name()], consumed)
			}
		}
	}
	for _, what := range []string{"publish", "consume"} {
		ours, theirs := rates[what+" jetgate"], rates[what+" nats.go"]
		ratios := make([]float64, rounds)
		for i := range ratios {
			ratios[i] = ours[i] / theirs[i]
		}
		fmt.Printf("go %s with acks: %.2f of nats.go (%.2f to %.2f): %.0f to %.0f messages a second\n",
			what, median(ratios), slices.Min(ratios), slices.Max(ratios), median(ours), median(theirs))
	}
	return nil
}

// measure publishes and consumes so many messages of 256 bytes over a stream of its own.
func measure(ctx context.Context, client *jetgate.Client, one side, count int) (published, consumed float64, err error) {
	storage := jetgatev1.StorageType_STORAGE_TYPE_MEMORY
	if _, err := client.CreateStream(ctx, &jetgatev1.StreamConfig{Name: stream, Subjects: []string{subject}, Storage: storage}); err != nil {
		return 0, 0, err
	}
	pending := int64(20_000)
	if _, err := client.CreateConsumer(ctx, stream, &jetgatev1.ConsumerConfig{DurableName: worker, MaxAckPending: &pending}); err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	if err := one.publish(ctx, count, make([]byte, 256)); err != nil {
		return 0, 0, err
	}
	published = float64(count) / time.Since(begun).Seconds()
	begun = time.Now()
	if err := one.consume(ctx, count); err != nil {
		return 0, 0, err
	}
	consumed = float64(count) / time.Since(begun).Seconds()
	return published, consumed, client.DeleteStream(ctx, stream)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

type gateway struct{ client *jetgate.Client }

func (*gateway) name() string { return "jetgate" }

func (g *gateway) publish(ctx context.Context, count int, payload []byte) error {
	publisher := g.client.NewPublisher(jetgate.PublisherConfig{MaxInFlight: window, NoMessageIDs: true})
	futures := make([]*jetgate.Future, count)
	for i := range futures {
		var err error
		if futures[i], err = publisher.Publish(ctx, jetgate.Message{Subject: subject, Payload: payload}); err != nil {
			return err
		}
	}
	if err := publisher.Close(ctx); err != nil {
		return err
	}
	for _, future := range futures {
		if _, err := future.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (g *gateway) consume(ctx context.Context, count int) error {
	consumer, err := g.client.Consume(ctx, jetgate.ConsumerConfig{Stream: stream, Consumer: worker, MaxOutstanding: 1024})
	if err != nil {
		return err
	}
	for range count {
		message, err := consumer.Next(ctx)
		if err != nil {
			return err
		}
		message.Ack()
	}
	return consumer.Drain(ctx)
}

type native struct{ js jetstream.JetStream }

func (*native) name() string { return "nats.go" }

func (n *native) publish(ctx context.Context, count int, payload []byte) error {
	futures := make([]jetstream.PubAckFuture, count)
	for i := range futures {
		var err error
		if futures[i], err = n.js.PublishAsync(subject, payload, jetstream.WithStallWait(30*time.Second)); err != nil {
			return err
		}
	}
	<-n.js.PublishAsyncComplete()
	for _, future := range futures {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			return err
		}
	}
	return nil
}

func (n *native) consume(ctx context.Context, count int) error {
	consumer, err := n.js.Consumer(ctx, stream, worker)
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1024))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for range count {
		message, err := messages.Next()
		if err != nil {
			return err
		}
		if err := message.Ack(); err != nil {
			return err
		}
	}
	return nil
}
