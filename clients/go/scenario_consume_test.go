package jetgate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	jetgate "github.com/jetgate/jetgate/clients/go"
)

// The verbs of a scenario that receive and settle.

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
	config := jetgate.ConsumerConfig{
		Stream: step.Stream, Consumer: step.Consumer,
		MaxOutstanding: step.MaxOutstanding, MaxOutstandingBytes: step.MaxOutstandingBytes,
	}
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
	end := time.Now().Add(within)
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
