// Books each payment once, whatever crashes and however often it is started.
//
// Its publisher names the business event: the payment's own id is the message id, not one of this attempt. Its consumer
// writes the effect and that id in one step, before it acknowledges, and knows by the id what it has booked before. The
// acknowledgement is confirmed: once it returns, JetStream has it.
//
// JETGATE_URL is the gateway, "http://127.0.0.1:50051" by default; STREAM_NAME and CONSUMER_NAME are made where they are
// missing; LEDGER is the file of what is booked. The program ends when nothing has come for five seconds.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	jetgate "github.com/jetgate/jetgate/clients/go"
	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	stream, name := or("STREAM_NAME", "PAYMENTS"), or("CONSUMER_NAME", "ledger")
	client, err := jetgate.Connect(or("JETGATE_URL", "http://127.0.0.1:50051"), jetgate.WithName("exactly-once"))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := client.CreateStream(ctx, &jetgatev1.StreamConfig{Name: stream, Subjects: []string{"payments.*"}}); err != nil {
		return err
	}
	if _, err := client.CreateConsumer(ctx, stream, &jetgatev1.ConsumerConfig{DurableName: name}); err != nil {
		return err
	}
	for _, payment := range []string{"payment-1", "payment-2", "payment-3"} {
		message := jetgate.Message{Subject: "payments.received", Payload: []byte("100"), MessageID: payment}
		result, err := client.Publish(ctx, message)
		if err != nil {
			return err
		}
		fmt.Printf("%s: published before: %t\n", payment, result.Duplicate)
	}
	return book(ctx, client, jetgate.ConsumerConfig{Stream: stream, Consumer: name})
}

func book(ctx context.Context, client *jetgate.Client, config jetgate.ConsumerConfig) error {
	ledger, err := openLedger(or("LEDGER", "ledger.txt"))
	if err != nil {
		return err
	}
	defer ledger.file.Close()
	consumer, err := client.Consume(ctx, config)
	if err != nil {
		return err
	}
	for {
		waiting, cancel := context.WithTimeout(ctx, 5*time.Second)
		message, err := consumer.Next(waiting)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return consumer.Close()
		}
		if err != nil {
			return err
		}
		isNew, err := ledger.book(message.MessageID, string(message.Payload))
		if err != nil {
			return err
		}
		if err := message.AckConfirmed(ctx); err != nil {
			return err
		}
		fmt.Printf("%s: booked before: %t\n", message.MessageID, !isNew)
	}
}

// ledger is what would be a database: a line has the effect and the id, and is there as a whole or not at all.
type ledger struct {
	file   *os.File
	booked map[string]bool
}

func openLedger(path string) (*ledger, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	booked := make(map[string]bool)
	for line := range strings.Lines(string(content)) {
		id, _, _ := strings.Cut(line, " ")
		booked[id] = true
	}
	return &ledger{file, booked}, nil
}

// book writes an amount under an id; false where it is there already.
func (l *ledger) book(id, amount string) (bool, error) {
	if l.booked[id] {
		return false, nil
	}
	if _, err := fmt.Fprintln(l.file, id, amount); err != nil {
		return false, err
	}
	l.booked[id] = true
	return true, l.file.Sync()
}

func or(variable, unset string) string {
	if value := os.Getenv(variable); value != "" {
		return value
	}
	return unset
}
