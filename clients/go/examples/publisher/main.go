// Publishes events of a business process: each has an id of its own, so that publishing it again stores it once.
//
// JETGATE_URL is the gateway, "http://127.0.0.1:50051" by default; JETGATE_API_KEY its key, if it asks for one; STREAM_NAME the
// stream that takes the events, by default whichever takes their subject; EVENTS how many events, 100 by default.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
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
	client, err := connect()
	if err != nil {
		return err
	}
	defer client.Close()
	count, err := strconv.Atoi(or(os.Getenv("EVENTS"), "100"))
	if err != nil {
		return err
	}
	publisher := client.NewPublisher(jetgate.PublisherConfig{Stream: os.Getenv("STREAM_NAME")})
	futures := make([]*jetgate.Future, count)
	for i := range futures {
		event, err := json.Marshal(map[string]any{"user_id": i, "action": "login"})
		if err != nil {
			return err
		}
		// The id is the event's, not the attempt's: a program that crashes and does all of it again stores it once.
		message := jetgate.Message{Subject: "users.login", Payload: event, MessageID: fmt.Sprintf("login-%d", i)}
		if futures[i], err = publisher.Publish(ctx, message); err != nil {
			return err
		}
	}
	if err := publisher.Close(ctx); err != nil {
		return err
	}
	duplicates := 0
	for _, future := range futures {
		result, err := future.Wait(ctx)
		if err != nil {
			return err
		}
		if result.Duplicate {
			duplicates++
		}
	}
	fmt.Printf("published %d events, %d of them known before\n", count, duplicates)
	return nil
}

func connect() (*jetgate.Client, error) {
	options := []jetgate.Option{jetgate.WithName("event-publisher")}
	if key := os.Getenv("JETGATE_API_KEY"); key != "" {
		options = append(options, jetgate.WithAPIKey(key))
	}
	return jetgate.Connect(or(os.Getenv("JETGATE_URL"), "http://127.0.0.1:50051"), options...)
}

func or(value, unset string) string {
	if value == "" {
		return unset
	}
	return value
}
