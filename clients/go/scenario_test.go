package jetgate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	jetgate "github.com/jetgate/jetgate/clients/go"
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
	timeouts   map[string]time.Duration
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
		t: t, world: startWorld(t, what.World), clients: map[string]*jetgate.Client{}, timeouts: map[string]time.Duration{},
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

// usual is how long a step may take that does not say otherwise: a cluster of nats-servers may elect for 18 s, and what was on
// its way then comes after ack_wait only.
const usual = 90 * time.Second

// step carries out one step, and judges the error that it has or should have.
func (s *scenario) step(step step) error {
	act, known := verbs[step.Do]
	if !known {
		return fmt.Errorf("unknown verb")
	}
	within := usual
	if step.Within != nil {
		within = seconds(*step.Within)
	}
	limit := max(within, 10*time.Second)
	if timeout, has := s.timeouts[step.Client]; has {
		limit = timeout
	}
	run := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
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
		"apply_stream":    (*scenario).applyStream,
		"apply_consumer":  (*scenario).applyConsumer,
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
	if authority := map[string]string{"": s.world.facts.CAFile, "other": s.world.facts.OtherCAFile}[step.CA]; authority != "" {
		options = append(options, jetgate.WithCAFile(authority))
	}
	if step.Token != nil {
		token, err := s.world.token(step.Token)
		if err != nil {
			return err
		}
		options = append(options, jetgate.WithTokenSource(func(context.Context) (string, error) { return token, nil }))
	}
	key := s.world.facts.APIKey
	if step.APIKey != "" {
		key = step.APIKey
	}
	switch key {
	case "", "none":
	case "renewed":
		begun := time.Now()
		options = append(options, jetgate.WithTokenSource(func(context.Context) (string, error) {
			if time.Since(begun) < 2*time.Second {
				return s.world.facts.ShortKey, nil
			}
			return s.world.facts.APIKey, nil
		}))
	default:
		options = append(options, jetgate.WithAPIKey(key))
	}
	client, err := jetgate.Connect(strings.Join(addresses, ","), options...)
	if err != nil {
		return err
	}
	s.clients[step.As] = client
	if step.CallTimeout > 0 {
		s.timeouts[step.As] = seconds(step.CallTimeout)
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

func seconds(number float64) time.Duration { return time.Duration(number * float64(time.Second)) }
