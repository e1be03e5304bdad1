package jetgate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	jetgate "github.com/jetgate/jetgate/clients/go"
	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// TestScenarios carries out tests/scenarios through the public interface, and reports for the matrix of all clients.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(scenarios(t), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	report := newReport(t)
	slots := make(chan struct{}, 3)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			begun := time.Now()
			t.Cleanup(func() {
				<-slots
				report.add(name, t.Failed(), time.Since(begun))
			})
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runScenario(t, content)
		})
	}
}

// plan is a scenario as it is written.
type plan struct {
	About   string         `json:"about"`
	World   map[string]any `json:"world"`
	Connect *bool          `json:"connect"`
	Steps   []step         `json:"steps"`
}

// scenario is one run of one of them.
type scenario struct {
	t          *testing.T
	world      *world
	clients    map[string]*jetgate.Client
	consumers  map[string]*jetgate.Consumer
	readers    map[string]*jetgate.Reader
	positions  map[string]string
	received   []source
	receivedAt map[uint64]time.Time
	background map[string]chan error
}

func runScenario(t *testing.T, content []byte) {
	var what plan
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&what); err != nil {
		t.Fatal(err)
	}
	s := &scenario{
		t: t, world: startWorld(t, what.World), clients: map[string]*jetgate.Client{},
		consumers: map[string]*jetgate.Consumer{}, readers: map[string]*jetgate.Reader{},
		positions:  map[string]string{},
		receivedAt: map[uint64]time.Time{}, background: map[string]chan error{},
	}
	defer s.end()
	if what.Connect == nil || *what.Connect {
		if err := s.connect(step{As: "main"}); err != nil {
			t.Fatal(err)
		}
	}
	for number, step := range what.Steps {
		if err := s.step(step); err != nil {
			t.Fatalf("step %d, %s: %v", number+1, step.Do, err)
		}
	}
}

func (s *scenario) end() {
	for _, consumer := range s.consumers {
		consumer.Close()
	}
	for _, reader := range s.readers {
		reader.Close()
	}
	for _, client := range s.clients {
		_ = client.Close()
	}
}

// step carries out one step, and judges the error that it has or should have.
func (s *scenario) step(step step) error {
	act, known := verbs[step.Do]
	if !known {
		return fmt.Errorf("unknown verb")
	}
	within := 30 * time.Second
	if step.Within != nil {
		within = seconds(*step.Within)
	}
	run := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), max(within, 10*time.Second))
		defer cancel()
		return act(s, ctx, step, within)
	}
	if step.Background != "" {
		done := make(chan error, 1)
		s.background[step.Background] = done
		go func() { done <- run() }()
		return nil
	}
	err := run()
	if step.Error == nil {
		return err
	}
	return step.Error.check(err)
}

var verbs map[string]func(*scenario, context.Context, step, time.Duration) error

func init() {
	verbs = map[string]func(*scenario, context.Context, step, time.Duration) error{
		"connect":         func(s *scenario, _ context.Context, step step, _ time.Duration) error { return s.connect(step) },
		"create_stream":   (*scenario).createStream,
		"create_consumer": (*scenario).createConsumer,
		"stream_info":     (*scenario).streamInfo,
		"consumer_info":   (*scenario).consumerInfo,
		"publish":         (*scenario).publish,
		"publish_many":    (*scenario).publishMany,
		"publish_batch":   (*scenario).publishBatch,
		"open":            (*scenario).open,
		"receive":         (*scenario).receive,
		"settle":          (*scenario).settle,
		"collect":         (*scenario).collect,
		"drain":           (*scenario).drain,
		"close":           (*scenario).close,
		"world":           (*scenario).tell,
		"await":           (*scenario).await,
	}
}

func (s *scenario) client(step step) *jetgate.Client {
	if step.Client == "" {
		return s.clients["main"]
	}
	return s.clients[step.Client]
}

func (s *scenario) connect(step step) error {
	addresses := s.world.facts.Gateways
	if step.Gateways != nil {
		addresses = nil
		for _, number := range step.Gateways {
			addresses = append(addresses, s.world.facts.Gateways[number])
		}
	}
	var options []jetgate.Option
	if s.world.facts.CAFile != "" {
		options = append(options, jetgate.WithCAFile(s.world.facts.CAFile))
	}
	key := s.world.facts.APIKey
	if step.APIKey != "" {
		key = step.APIKey
	}
	if key != "" && key != "none" {
		options = append(options, jetgate.WithAPIKey(key))
	}
	client, err := jetgate.Connect(strings.Join(addresses, ","), options...)
	if err != nil {
		return err
	}
	s.clients[step.As] = client
	return nil
}

func (s *scenario) createStream(ctx context.Context, step step, _ time.Duration) error {
	config := &jetgatev1.StreamConfig{
		Name: step.Config.Name, Subjects: step.Config.Subjects, NumReplicas: step.Config.NumReplicas,
		AllowAtomic: step.Config.AllowAtomic, AllowBatched: step.Config.AllowBatched, MaxMsgs: step.Config.MaxMsgs,
	}
	if step.Config.Discard == "new" {
		config.Discard = jetgatev1.DiscardPolicy_DISCARD_POLICY_NEW
	}
	if step.Config.DuplicateWindow > 0 {
		config.DuplicateWindow = durationpb.New(seconds(step.Config.DuplicateWindow))
	}
	_, err := s.client(step).CreateStream(ctx, config)
	return err
}

func (s *scenario) createConsumer(ctx context.Context, step step, _ time.Duration) error {
	config := &jetgatev1.ConsumerConfig{DurableName: step.Config.DurableName, MaxDeliver: step.Config.MaxDeliver}
	if step.Config.AckWait > 0 {
		config.AckWait = durationpb.New(seconds(step.Config.AckWait))
	}
	_, err := s.client(step).CreateConsumer(ctx, step.Stream, config)
	return err
}

func (s *scenario) streamInfo(ctx context.Context, step step, within time.Duration) error {
	return poll(step, within, func() (map[string]any, error) {
		stream, err := s.client(step).Stream(ctx, step.Stream)
		return map[string]any{
			"messages": stream.GetState().GetMessages(), "last_sequence": stream.GetState().GetLastSequence(),
		}, err
	})
}

func (s *scenario) consumerInfo(ctx context.Context, step step, within time.Duration) error {
	return poll(step, within, func() (map[string]any, error) {
		consumer, err := s.client(step).ConsumerInfo(ctx, step.Stream, step.Consumer)
		state := consumer.GetState()
		return map[string]any{
			"num_pending": state.GetNumPending(), "num_ack_pending": state.GetNumAckPending(),
			"ack_floor": state.GetAckFloor().GetStreamSequence(),
		}, err
	})
}

// poll asks until all that is expected is so.
func poll(step step, within time.Duration, look func() (map[string]any, error)) error {
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		state, err := look()
		if err != nil {
			return err
		}
		holds := true
		var expected map[string]float64
		if err := decode(step.Expect, &expected); err != nil {
			return err
		}
		for name, value := range expected {
			holds = holds && number(state[name]) == value
		}
		for name, value := range step.AtLeast {
			holds = holds && number(state[name]) >= value
		}
		if holds {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("it stays %v", state)
		}
	}
}

func (s *scenario) publish(ctx context.Context, step step, _ time.Duration) error {
	result, err := s.client(step).Publish(ctx, step.Message.outgoing())
	if err != nil {
		return err
	}
	return checkResult(result, step.Expect)
}

func (s *scenario) publishMany(ctx context.Context, step step, _ time.Duration) error {
	messages := step.Messages
	first := max(step.First, 1)
	for n := first; n < first+step.Count; n++ {
		messages = append(messages, written{Subject: step.Subject, Payload: value(fmt.Sprintf("%s%d", step.Prefix, n))})
	}
	many := s.client(step).NewPublisher(jetgate.PublisherConfig{
		Stream: step.Publisher.Stream, Cumulative: step.Publisher.Cumulative, MaxInFlight: step.Publisher.MaxInFlight,
	})
	begun := time.Now()
	futures := make([]*jetgate.Future, len(messages))
	for i, message := range messages {
		if step.PerSecond > 0 && i%100 == 0 {
			time.Sleep(time.Until(begun.Add(seconds(float64(i) / step.PerSecond))))
		}
		var err error
		if futures[i], err = many.Publish(ctx, message.outgoing()); err != nil {
			return err
		}
	}
	if err := many.Close(ctx); err != nil {
		return err
	}
	for i, future := range futures {
		result, err := future.Wait(ctx)
		if err := checkOutcome(result, err, step.Results, i); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return nil
}

func (s *scenario) publishBatch(ctx context.Context, step step, _ time.Duration) error {
	modes := map[string]jetgate.BatchMode{
		"independent": jetgate.BatchIndependent, "ordered": jetgate.BatchOrdered, "atomic": jetgate.BatchAtomic,
	}
	messages := make([]jetgate.Message, len(step.Messages))
	for i, message := range step.Messages {
		messages[i] = message.outgoing()
	}
	results, err := s.client(step).PublishBatch(ctx, modes[step.Mode], messages...)
	if err != nil {
		return err
	}
	for i, result := range results {
		if err := checkOutcome(result.Result, result.Err, step.Results, i); err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
	}
	return nil
}

func (s *scenario) open(ctx context.Context, step step, _ time.Duration) error {
	if step.Ordered {
		reader, err := s.client(step).Read(ctx, jetgate.ReaderConfig{
			Stream: step.Stream, FromSequence: step.FromSequence, Resume: s.positions[step.Resume],
		})
		if err == nil {
			s.readers[step.As] = reader
		}
		return err
	}
	config := jetgate.ConsumerConfig{Stream: step.Stream, Consumer: step.Consumer, MaxOutstanding: step.MaxOutstanding}
	if step.Lease != nil {
		if config.Lease = seconds(*step.Lease); config.Lease == 0 {
			config.Lease = -1
		}
	}
	consumer, err := s.client(step).Consume(ctx, config)
	if err == nil {
		s.consumers[step.As] = consumer
	}
	return err
}

func (s *scenario) drain(ctx context.Context, step step, _ time.Duration) error {
	return s.consumers[step.What].Drain(ctx)
}

func (s *scenario) close(_ context.Context, step step, _ time.Duration) error {
	if consumer, is := s.consumers[step.What]; is {
		consumer.Close()
		delete(s.consumers, step.What)
	}
	if reader, is := s.readers[step.What]; is {
		s.positions[step.What] = reader.Position()
		reader.Close()
		delete(s.readers, step.What)
	}
	return nil
}

func (s *scenario) tell(_ context.Context, step step, _ time.Duration) error {
	answer, err := s.world.do(step.Command)
	if err != nil {
		return err
	}
	return checkAnswer(answer, step.Expect)
}

func (s *scenario) await(ctx context.Context, step step, within time.Duration) error {
	select {
	case err := <-s.background[step.What]:
		return err
	case <-time.After(within):
		return fmt.Errorf("%s is not done", step.What)
	}
}

// source is a message and how to settle it, if it can be.
type source struct {
	*jetgate.Delivery
	received *jetgate.Received
}

func (s *scenario) next(ctx context.Context, name string) (source, error) {
	if reader, is := s.readers[name]; is {
		message, err := reader.Next(ctx)
		return source{Delivery: message}, err
	}
	message, err := s.consumers[name].Next(ctx)
	if err != nil {
		return source{}, err
	}
	return source{&message.Delivery, message}, nil
}

// nextOf is the next message of whichever has one.
func (s *scenario) nextOf(names []string, within time.Duration) (source, error) {
	for end := time.Now().Add(within); ; {
		for _, name := range names {
			wait := within
			if len(names) > 1 {
				wait = 20 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			message, err := s.next(ctx, name)
			cancel()
			if err == nil || err != context.DeadlineExceeded {
				return message, err
			}
		}
		if time.Now().After(end) {
			return source{}, context.DeadlineExceeded
		}
	}
}

func (s *scenario) receive(_ context.Context, step step, within time.Duration) error {
	if step.NothingFor > 0 {
		message, err := s.nextOf(step.From, seconds(step.NothingFor))
		if err == nil {
			return fmt.Errorf("%v came", message.Delivery)
		}
		if err != context.DeadlineExceeded {
			return err
		}
		return nil
	}
	var expected []map[string]json.RawMessage
	if err := decode(step.Expect, &expected); err != nil {
		return err
	}
	for _, fields := range expected {
		message, err := s.nextOf(step.From, within)
		if err != nil {
			return fmt.Errorf("instead of %s: %w", fields, err)
		}
		now := time.Now()
		if waited := now.Sub(s.receivedAt[message.Sequence]); step.NotBefore > 0 && waited < seconds(step.NotBefore) {
			return fmt.Errorf("%d came again after %v", message.Sequence, waited)
		}
		s.received = append(s.received, message)
		s.receivedAt[message.Sequence] = now
		if err := checkMessage(message.Delivery, fields); err != nil {
			return err
		}
	}
	return nil
}

func (s *scenario) settle(ctx context.Context, step step, _ time.Duration) error {
	var numbers []int
	if err := json.Unmarshal(step.Numbers, &numbers); err != nil {
		return err
	}
	for _, number := range numbers {
		if err := settleOne(ctx, s.received[number-1].received, step); err != nil {
			return err
		}
	}
	return nil
}

func settleOne(ctx context.Context, message *jetgate.Received, step step) error {
	switch step.Kind {
	case "ack":
		if step.Confirm {
			return message.AckConfirmed(ctx)
		}
		message.Ack()
	case "nak":
		message.NakDelayed(seconds(step.Delay))
	case "term":
		message.Term(step.Reason)
	case "in_progress":
		message.InProgress()
	default:
		return fmt.Errorf("unknown kind %q", step.Kind)
	}
	return nil
}

func (s *scenario) collect(_ context.Context, step step, within time.Duration) error {
	first := max(step.First, 1)
	missing := map[string]bool{}
	for n := first; n < first+step.Count; n++ {
		missing[fmt.Sprintf("%s%d", step.Prefix, n)] = true
	}
	end := time.Now().Add(max(within, time.Minute))
	for number := first; len(missing) > 0; number++ {
		message, err := s.nextOf(step.From, time.Until(end))
		if err != nil {
			return fmt.Errorf("%d did not come: %w", len(missing), err)
		}
		text := string(message.Payload)
		if wanted := fmt.Sprintf("%s%d", step.Prefix, number); step.InOrder && text != wanted {
			return fmt.Errorf("%s instead of %s", text, wanted)
		}
		if (step.InOrder || step.EachOnce) && !missing[text] {
			return fmt.Errorf("%s came twice, or is another's", text)
		}
		delete(missing, text)
		if step.Settle == "ack" && message.received != nil {
			message.received.Ack()
		}
	}
	return nil
}

// report is what becomes of each scenario, for the matrix of all clients.
type report struct {
	lock sync.Mutex
	file *os.File
	t    *testing.T
}

func newReport(t *testing.T) *report {
	folder := os.Getenv("JETGATE_SCENARIO_REPORTS")
	if folder == "" {
		folder = "../../target/scenarios"
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(folder, "go.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return &report{file: file, t: t}
}

func (r *report) add(name string, failed bool, took time.Duration) {
	r.lock.Lock()
	defer r.lock.Unlock()
	result := "passed"
	if failed {
		result = "failed"
	}
	line, err := json.Marshal(map[string]any{
		"client": "go", "scenario": name, "result": result, "seconds": took.Seconds(), "detail": "",
	})
	if err == nil {
		_, err = r.file.Write(append(line, '\n'))
	}
	if err != nil {
		r.t.Error(err)
	}
}

func seconds(number float64) time.Duration { return time.Duration(number * float64(time.Second)) }
