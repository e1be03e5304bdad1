package jetgate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jetgate "github.com/jetgate/jetgate/clients/go"
	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

func connect(t testing.TB, servers *world, options ...jetgate.Option) *jetgate.Client {
	t.Helper()
	client, err := jetgate.Connect(strings.Join(servers.facts.Gateways, ","), append(options, jetgate.WithName("go-test"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func createStream(t testing.TB, client *jetgate.Client) {
	t.Helper()
	config := &jetgatev1.StreamConfig{Name: "USERS", Subjects: []string{"users.*"}}
	if _, err := client.CreateStream(context.Background(), config); err != nil {
		t.Fatal(err)
	}
}

func createConsumer(t testing.TB, client *jetgate.Client, ackWait time.Duration) {
	t.Helper()
	config := &jetgatev1.ConsumerConfig{DurableName: "worker", AckWait: durationpb.New(ackWait)}
	if _, err := client.CreateConsumer(context.Background(), "USERS", config); err != nil {
		t.Fatal(err)
	}
}

func within(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// Gateways are killed one after the other under several publishing goroutines: each message is stored once, and each
// future says so.
func TestPublisherOutlivesKilledGateways(t *testing.T) {
	servers := startWorld(t, map[string]any{"gateways": 2})
	client := connect(t, servers)
	createStream(t, client)
	ctx := within(t, 90*time.Second)
	publisher := client.NewPublisher(jetgate.PublisherConfig{MaxInFlight: 500})
	const writers, each = 4, 2000
	sequences := make(chan uint64, writers*each)
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			for n := range each {
				future, err := publisher.Publish(ctx, jetgate.Message{Subject: "users.new", Payload: fmt.Appendf(nil, "%d-%d", writer, n)})
				if err != nil {
					t.Error(err)
					return
				}
				if n%100 == 0 {
					result, err := future.Wait(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					sequences <- result.Sequence
				}
			}
		})
	}
	for gateway := range 2 {
		servers.mustDo(t, map[string]any{"do": "kill_gateway", "gateway": gateway})
		servers.mustDo(t, map[string]any{"do": "start_gateway", "gateway": gateway})
	}
	group.Wait()
	if err := publisher.Close(ctx); err != nil {
		t.Fatal(err)
	}
	stream, err := client.Stream(ctx, "USERS")
	if err != nil || stream.State.Messages != writers*each {
		t.Fatalf("%d messages instead of %d: %v", stream.GetState().GetMessages(), writers*each, err)
	}
}

// A publisher that may not use ids does not repeat what may be stored.
func TestWithoutIDsABrokenConnectionLeavesOutcomesUnknown(t *testing.T) {
	servers := startWorld(t, nil)
	client := connect(t, servers)
	createStream(t, client)
	ctx := within(t, 90*time.Second)
	info, err := client.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	publisher := client.NewPublisher(jetgate.PublisherConfig{NoMessageIDs: true})
	first, err := publisher.Publish(ctx, jetgate.Message{Subject: "users.new"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	servers.mustDo(t, map[string]any{"do": "pause_nats"})
	second, err := publisher.Publish(ctx, jetgate.Message{Subject: "users.new"})
	if err != nil {
		t.Fatal(err)
	}
	waitForFlight(t, client, info.GatewayId)
	servers.mustDo(t, map[string]any{"do": "kill_gateway"})
	if _, err := second.Wait(ctx); !jetgate.OutcomeUnknown(err) {
		t.Fatalf("%v", err)
	}
	servers.mustDo(t, map[string]any{"do": "resume_nats"})
	servers.mustDo(t, map[string]any{"do": "start_gateway"})
	third, err := publisher.Publish(ctx, jetgate.Message{Subject: "users.new"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := third.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if err := publisher.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := publisher.Publish(ctx, jetgate.Message{Subject: "users.new"}); err != jetgate.ErrClosed {
		t.Fatal(err)
	}
}

// A full publisher waits, and gives up with its context, not with the message.
func TestAFullPublisherWaits(t *testing.T) {
	servers := startWorld(t, nil)
	client := connect(t, servers)
	createStream(t, client)
	servers.mustDo(t, map[string]any{"do": "pause_nats"})
	publisher := client.NewPublisher(jetgate.PublisherConfig{MaxInFlight: 10, Timeout: time.Minute})
	for range 10 {
		if _, err := publisher.Publish(within(t, time.Minute), jetgate.Message{Subject: "users.new"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := publisher.Publish(within(t, 300*time.Millisecond), jetgate.Message{Subject: "users.new"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	servers.mustDo(t, map[string]any{"do": "resume_nats"})
	if err := publisher.Close(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if stream, err := client.Stream(within(t, time.Minute), "USERS"); err != nil || stream.State.Messages != 10 {
		t.Fatalf("%v %v", stream, err)
	}
}

// What handlers work on when a gateway is drained stays theirs: nothing is processed twice, though work takes longer than
// ack_wait.
func TestRunKeepsItsWorkOverADrainedGateway(t *testing.T) {
	servers := startWorld(t, map[string]any{"gateways": 2, "config": map[string]any{"shutdown.drain": "10s"}})
	client := connect(t, servers)
	createStream(t, client)
	createConsumer(t, client, 6*time.Second)
	ctx := within(t, 3*time.Minute)
	publisher := client.NewPublisher(jetgate.PublisherConfig{Stream: "USERS"})
	const count = 24
	for n := range count {
		if _, err := publisher.Publish(ctx, jetgate.Message{Subject: "users.new", Payload: fmt.Appendf(nil, "%d", n)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := publisher.Close(ctx); err != nil {
		t.Fatal(err)
	}
	consumer, err := client.Consume(ctx, jetgate.ConsumerConfig{Stream: "USERS", Consumer: "worker", MaxOutstanding: 8})
	if err != nil {
		t.Fatal(err)
	}
	running, finish := context.WithCancel(ctx)
	var lock sync.Mutex
	seen := map[string]int{}
	ended := make(chan error, 1)
	begun := make(chan struct{}, count*2)
	go func() {
		ended <- consumer.Run(running, 8, func(_ context.Context, message *jetgate.Received) error {
			begun <- struct{}{}
			time.Sleep(8 * time.Second) // the work itself
			lock.Lock()
			defer lock.Unlock()
			seen[string(message.Payload)]++
			if len(seen) == count {
				finish()
			}
			return nil
		})
	}()
	<-begun
	for gateway := range 2 {
		servers.mustDo(t, map[string]any{"do": "drain_gateway", "gateway": gateway})
		servers.mustDo(t, map[string]any{"do": "wait_gateway", "gateway": gateway})
		servers.mustDo(t, map[string]any{"do": "start_gateway", "gateway": gateway})
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for payload, times := range seen {
		if times != 1 {
			t.Errorf("%s was processed %d times", payload, times)
		}
	}
}

// A deleted consumer ends a waiting Next with the reason, and a reader ends where it was told to.
func TestEnds(t *testing.T) {
	servers := startWorld(t, nil)
	client := connect(t, servers)
	createStream(t, client)
	createConsumer(t, client, 30*time.Second)
	ctx := within(t, 60*time.Second)
	consumer, err := client.Consume(ctx, jetgate.ConsumerConfig{Stream: "USERS", Consumer: "worker"})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { _ = client.DeleteConsumer(ctx, "USERS", "worker") })
	var failed *jetgate.Error
	if _, err := consumer.Next(ctx); !errors.As(err, &failed) || failed.Reason != "CONSUMER_NOT_FOUND" {
		t.Fatalf("%v", err)
	}
	consumer.Close()

	if _, err := client.Publish(ctx, jetgate.Message{Subject: "users.new", Payload: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	reader, err := client.Read(ctx, jetgate.ReaderConfig{Stream: "USERS", UntilLast: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if message, err := reader.Next(ctx); err != nil || string(message.Payload) != "one" {
		t.Fatalf("%v %v", message, err)
	}
	if _, err := reader.Next(ctx); err != io.EOF {
		t.Fatalf("%v", err)
	}
}

// The examples do what they say, together.
func TestExamples(t *testing.T) {
	servers := startWorld(t, map[string]any{"gateways": 2})
	client := connect(t, servers)
	createStream(t, client)
	createConsumer(t, client, 30*time.Second)
	environment := append(os.Environ(), "JETGATE_URL="+urls(servers), "STREAM_NAME=USERS", "CONSUMER_NAME=worker")
	publisher := build(t, "publisher")
	stray := exec.CommandContext(within(t, time.Minute), publisher)
	stray.Env = append(environment, "STREAM_NAME=MISSING")
	if output, err := stray.CombinedOutput(); err == nil || !strings.Contains(string(output), "STREAM_NOT_FOUND") {
		t.Fatalf("%v: %s", err, output)
	}
	for range 2 {
		publish := exec.CommandContext(within(t, time.Minute), publisher)
		publish.Env = environment
		output, err := publish.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(output), "published 100 events") {
			t.Fatalf("%v: %s", err, output)
		}
	}
	consume := exec.Command(build(t, "consumer"))
	consume.Env = environment
	var output strings.Builder
	consume.Stdout = &output
	if err := consume.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		info, err := client.ConsumerInfo(within(t, time.Minute), "USERS", "worker")
		if err == nil && info.State.AckFloor.GetStreamSequence() == 100 {
			break
		}
		if time.Now().After(end) {
			_ = consume.Process.Kill()
			t.Fatalf("%v %v", info, err)
		}
	}
	_ = consume.Process.Signal(os.Interrupt)
	if err := consume.Wait(); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(output.String(), "users.login #"); lines != 100 {
		t.Fatalf("%d lines", lines)
	}
}

// urls is all gateways of the world, as a variable of the environment names them.
func urls(servers *world) string { return "http://" + strings.Join(servers.facts.Gateways, ",http://") }

// build makes the program of an example.
func build(t testing.TB, name string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	if output, err := exec.Command("go", "build", "-o", binary, "./examples/"+name).CombinedOutput(); err != nil {
		t.Fatalf("%s", output)
	}
	return binary
}

// example runs one to its end and returns what it printed.
func example(t *testing.T, servers *world, name string, environment ...string) string {
	t.Helper()
	path := build(t, name)
	program := exec.CommandContext(within(t, time.Minute), path)
	program.Env = append(append(os.Environ(), "JETGATE_URL="+urls(servers)), environment...)
	output, err := program.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return string(output)
}

func TestATraceGoesFromThePublisherToTheConsumer(t *testing.T) {
	t.Parallel()
	servers := startWorld(t, nil)
	client := connect(t, servers)
	createStream(t, client)
	createConsumer(t, client, 30*time.Second)
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	said := example(t, servers, "tracing", "STREAM_NAME=USERS", "CONSUMER_NAME=worker", "TRACEPARENT="+trace)
	if want := "published in " + trace + "\nada goes on in " + trace + "\n"; said != want {
		t.Fatal(said)
	}
}

func TestAPaymentIsBookedOnceHoweverOftenTheProgramRuns(t *testing.T) {
	t.Parallel()
	servers := startWorld(t, nil)
	ledger := "LEDGER=" + t.TempDir() + "/ledger"
	first := example(t, servers, "exactly_once", ledger)
	if strings.Count(first, "published before: false") != 3 || strings.Count(first, "booked before: false") != 3 {
		t.Fatal(first)
	}
	// Another consumer gets everything again, as this one would where it had crashed before its acknowledgement.
	again := example(t, servers, "exactly_once", ledger, "CONSUMER_NAME=again")
	if strings.Count(again, "published before: true") != 3 || strings.Count(again, "booked before: true") != 3 {
		t.Fatal(again)
	}
}
