package jetgate_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	jetgate "github.com/jetgate/jetgate/clients/go"
	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

func publish(t testing.TB, client *jetgate.Client, count int) {
	t.Helper()
	publisher := client.NewPublisher(jetgate.PublisherConfig{})
	for n := range count {
		if _, err := publisher.Publish(within(t, time.Minute), jetgate.Message{Subject: "users.new", Payload: fmt.Append(nil, n)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := publisher.Close(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
}

// receive opens a consumer, and takes so many messages.
func receive(t testing.TB, client *jetgate.Client, count int) (*jetgate.Consumer, []*jetgate.Received) {
	t.Helper()
	ctx := within(t, time.Minute)
	consumer, err := client.Consume(ctx, jetgate.ConsumerConfig{Stream: "USERS", Consumer: "worker"})
	if err != nil {
		t.Fatal(err)
	}
	var messages []*jetgate.Received
	for range count {
		message, err := consumer.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, message)
	}
	return consumer, messages
}

// working is a world whose consumer has so many messages, all that there are, and holds them.
func working(
	t testing.TB, fields map[string]any, ackWait time.Duration, count int, options ...jetgate.Option,
) (*world, *jetgate.Client, *jetgate.Consumer, []*jetgate.Received) {
	t.Helper()
	servers := startWorld(t, fields)
	client := connect(t, servers, options...)
	createStream(t, client)
	createConsumer(t, client, ackWait)
	publish(t, client, count)
	consumer, messages := receive(t, client, count)
	return servers, client, consumer, messages
}

// mustBeDone waits until all messages of the consumer are acknowledged, and fails where one came twice.
func mustBeDone(t testing.TB, client *jetgate.Client, count uint64) {
	t.Helper()
	ctx := within(t, time.Minute)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		info, err := client.ConsumerInfo(ctx, "USERS", "worker")
		if err != nil {
			t.Fatal(err)
		}
		state := info.State
		if delivered := state.Delivered.GetConsumerSequence(); delivered > count {
			t.Fatalf("%d deliveries of %d messages", delivered, count)
		}
		if state.NumAckPending == 0 && state.AckFloor.GetStreamSequence() == count {
			return
		}
		if time.Now().After(end) {
			t.Fatal(state)
		}
	}
}

func restart(t testing.TB, servers *world, gateway int) {
	t.Helper()
	servers.mustDo(t, map[string]any{"do": "drain_gateway", "gateway": gateway})
	servers.mustDo(t, map[string]any{"do": "wait_gateway", "gateway": gateway})
	servers.mustDo(t, map[string]any{"do": "start_gateway", "gateway": gateway})
}

// Gateways that drain for longer than messages stay ours, where nobody says that they are worked on.
var twoThatDrain = map[string]any{"gateways": 2, "config": map[string]any{"shutdown.drain": "8s"}}

const shortWait = 6 * time.Second

// What is worked on stays ours over gateways that drain, for longer than ack_wait, while acknowledgements of other messages
// flow steadily.
func TestHeldMessagesStayOursOverDrainedGateways(t *testing.T) {
	t.Parallel()
	servers, client, consumer, held := working(t, twoThatDrain, shortWait, 1000)
	isOver := make(chan struct{})
	acknowledged := make(chan int)
	go func() {
		count := 0
		for ; count < 900; count++ {
			select {
			case <-isOver:
				acknowledged <- count
				return
			case <-time.After(5 * time.Millisecond):
				held[count].Ack()
			}
		}
		<-isOver
		acknowledged <- count
	}()
	for gateway := range 2 {
		restart(t, servers, gateway)
	}
	close(isOver)
	held = held[<-acknowledged:]
	if message, err := consumer.Next(within(t, shortWait+2*time.Second)); err != context.DeadlineExceeded {
		t.Fatalf("%v came again: %v", message, err)
	}
	for _, message := range held {
		message.Ack()
	}
	if err := consumer.Drain(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	mustBeDone(t, client, 1000)
}

// A drain of the program waits for its handlers, and a gateway that ends meanwhile takes nothing from them.
func TestADrainKeepsItsWorkOverADrainedGateway(t *testing.T) {
	t.Parallel()
	servers, client, consumer, held := working(t, twoThatDrain, shortWait, 8)
	drained := make(chan error, 1)
	go func() { drained <- consumer.Drain(within(t, time.Minute)) }()
	for gateway := range 2 {
		restart(t, servers, gateway)
	}
	// Longer than ack_wait: what is not ours any more comes again, to whoever asks.
	other, err := client.Consume(within(t, time.Minute), jetgate.ConsumerConfig{Stream: "USERS", Consumer: "worker"})
	if err != nil {
		t.Fatal(err)
	}
	if message, err := other.Next(within(t, shortWait+2*time.Second)); err != context.DeadlineExceeded {
		t.Fatalf("%v came again: %v", message, err)
	}
	for _, message := range held {
		message.Ack()
	}
	if err := errors.Join(<-drained, other.Close()); err != nil {
		t.Fatal(err)
	}
	mustBeDone(t, client, 8)
}

// door lets connections through, or none.
type door struct {
	isShut atomic.Bool
	tries  atomic.Int64
}

func (d *door) option() jetgate.Option {
	return jetgate.WithDialOptions(grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		d.tries.Add(1)
		if d.isShut.Load() {
			return nil, errors.New("the door is shut")
		}
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}))
}

// Acknowledgements that are given while no session is open are passed on by Close, through whichever gateway there is.
func TestCloseBetweenSessionsPassesOnWhatWasSaid(t *testing.T) {
	t.Parallel()
	var door door
	servers, client, consumer, messages := working(t, nil, time.Minute, 10, door.option())
	// The gateway is back when Close begins, and still no session can be opened before that.
	door.isShut.Store(true)
	servers.mustDo(t, map[string]any{"do": "kill_gateway"})
	for _, message := range messages {
		message.Ack()
	}
	servers.mustDo(t, map[string]any{"do": "start_gateway"})
	closed := make(chan error, 1)
	go func() { closed <- consumer.Close() }()
	if message, err := consumer.Next(within(t, time.Minute)); err != jetgate.ErrDrained {
		t.Fatalf("%v %v", message, err)
	}
	door.isShut.Store(false)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	mustBeDone(t, client, 10)
}

// Where no gateway is there, Close says that the messages may come again.
func TestCloseReportsWhatCouldNotBePassedOn(t *testing.T) {
	t.Parallel()
	servers, _, consumer, messages := working(t, nil, time.Minute, 1)
	servers.mustDo(t, map[string]any{"do": "kill_gateway"})
	messages[0].Ack()
	var failed *jetgate.Error
	if err := consumer.Close(); !errors.As(err, &failed) {
		t.Fatal(err)
	}
}

// A settle frame that was written and not read when the stream ended is said again.
func TestASettlementThatIsWrittenAsTheStreamEndsIsNotLost(t *testing.T) {
	t.Parallel()
	servers, client, consumer, messages := working(t, nil, time.Minute, 10)
	servers.mustDo(t, map[string]any{"do": "pause_gateway"})
	for _, message := range messages {
		message.Ack()
	}
	time.Sleep(50 * time.Millisecond) // the frame is written; the test holds as well where it is not
	servers.mustDo(t, map[string]any{"do": "kill_gateway"})
	servers.mustDo(t, map[string]any{"do": "start_gateway"})
	if err := consumer.Drain(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	mustBeDone(t, client, 10)
}

// What was sent longer ago than its stream remembers ids is not sent again, and what was never sent is.
func TestAPublisherSendsNothingAgainThatMayBeForgotten(t *testing.T) {
	t.Parallel()
	servers := startWorld(t, nil)
	client := connect(t, servers)
	ctx := within(t, 90*time.Second)
	const remembers = 2 * time.Second
	config := &jetgatev1.StreamConfig{Name: "USERS", Subjects: []string{"users.*"}, DuplicateWindow: durationpb.New(remembers)}
	if _, err := client.CreateStream(ctx, config); err != nil {
		t.Fatal(err)
	}
	info, err := client.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	publisher := client.NewPublisher(jetgate.PublisherConfig{Stream: "USERS", Timeout: time.Minute})
	hand := func(payload string) *jetgate.Future {
		future, err := publisher.Publish(ctx, jetgate.Message{Subject: "users.new", Payload: []byte(payload)})
		if err != nil {
			t.Fatal(err)
		}
		return future
	}
	if _, err := hand("first").Wait(ctx); err != nil {
		t.Fatal(err)
	}
	servers.mustDo(t, map[string]any{"do": "pause_nats"})
	sent := hand("sent")
	waitForFlight(t, client, info.GatewayId)
	servers.mustDo(t, map[string]any{"do": "kill_gateway"})
	servers.mustDo(t, map[string]any{"do": "resume_nats"})
	time.Sleep(remembers) // which is what this is about; the client knows by now that nobody is there
	unsent := hand("unsent")
	time.Sleep(remembers)
	servers.mustDo(t, map[string]any{"do": "start_gateway"})
	var failed *jetgate.Error
	if _, err := sent.Wait(ctx); !jetgate.OutcomeUnknown(err) || !errors.As(err, &failed) || failed.Metadata["message_id"] == "" {
		t.Fatal(err)
	}
	if _, err := unsent.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if err := publisher.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if stream, err := client.Stream(ctx, "USERS"); err != nil || stream.State.Messages > 3 {
		t.Fatal(stream, err)
	}
}

// waitForFlight waits until the gateway, which still answers, has a message of a publisher on its way.
func waitForFlight(t testing.TB, client *jetgate.Client, gateway string) {
	t.Helper()
	ctx := within(t, 30*time.Second)
	service := jetgatev1.NewGatewayServiceClient(client.Conn())
	for {
		listed, err := service.ListSessions(ctx, &jetgatev1.ListSessionsRequest{GatewayId: gateway})
		if err != nil {
			t.Fatal(err)
		}
		for _, session := range listed.Sessions {
			if session.OutstandingMessages > 0 {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A call that publishes and is not answered says that the message may be stored; its id makes that known.
func TestAPublishWithoutAnAnswerMayBeStored(t *testing.T) {
	t.Parallel()
	servers := startWorld(t, nil)
	client := connect(t, servers)
	createStream(t, client)
	ctx := within(t, 90*time.Second)
	message := jetgate.Message{Subject: "users.new"}
	if _, err := client.Publish(ctx, message); err != nil {
		t.Fatal(err)
	}
	servers.mustDo(t, map[string]any{"do": "pause_gateway"})
	_, err := client.Publish(within(t, time.Second), message)
	var failed *jetgate.Error
	if !jetgate.OutcomeUnknown(err) || !errors.As(err, &failed) || failed.Retry() != jetgate.RetrySameID || failed.Code != codes.DeadlineExceeded {
		t.Fatal(err)
	}
	if _, err := client.PublishBatch(within(t, time.Second), jetgate.BatchAtomic, message); !jetgate.OutcomeUnknown(err) {
		t.Fatal(err)
	}
	servers.mustDo(t, map[string]any{"do": "resume_gateway"})
	message.MessageID = failed.Metadata["message_id"]
	if result, err := client.Publish(ctx, message); err != nil || result.Sequence == 0 {
		t.Fatal(result, err)
	}
	servers.mustDo(t, map[string]any{"do": "kill_gateway"})
	// Once the connection is known to be dead, nothing is sent.
	for isKnown := false; !isKnown; {
		_, err := client.Publish(within(t, time.Second), message)
		if err == nil || ctx.Err() != nil {
			t.Fatal(err)
		}
		isKnown = !jetgate.OutcomeUnknown(err)
	}
}
