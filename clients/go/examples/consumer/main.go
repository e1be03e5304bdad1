// Processes the messages of a durable consumer until SIGTERM, then finishes what it works on.
//
// STREAM_NAME and CONSUMER_NAME say which consumer; JETGATE_URL is the gateway, "http://127.0.0.1:50051" by default;
// JETGATE_API_KEY its key, if it asks for one.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	jetgate "github.com/jetgate/jetgate/clients/go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	options := []jetgate.Option{jetgate.WithName("event-consumer")}
	if key := os.Getenv("JETGATE_API_KEY"); key != "" {
		options = append(options, jetgate.WithAPIKey(key))
	}
	target := os.Getenv("JETGATE_URL")
	if target == "" {
		target = "http://127.0.0.1:50051"
	}
	client, err := jetgate.Connect(target, options...)
	if err != nil {
		return err
	}
	defer client.Close()
	consumer, err := client.Consume(ctx, jetgate.ConsumerConfig{
		Stream: os.Getenv("STREAM_NAME"), Consumer: os.Getenv("CONSUMER_NAME"),
	})
	if err != nil {
		return err
	}
	// Up to eight at a time. What fails comes again; a message that can never succeed is terminated instead.
	return consumer.Run(ctx, 8, func(ctx context.Context, message *jetgate.Received) error {
		if len(message.Payload) == 0 {
			message.Term("an event without content")
			return nil
		}
		fmt.Printf("%s #%d: %s\n", message.Subject, message.Sequence, message.Payload)
		return nil
	})
}
