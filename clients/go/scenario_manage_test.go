package jetgate_test

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// The verbs of a scenario that manage streams and consumers.

func (s *scenario) createStream(ctx context.Context, step step, _ time.Duration) error {
	_, err := s.client(step).CreateStream(ctx, step.Config.stream())
	return err
}

func (s *scenario) applyStream(ctx context.Context, step step, _ time.Duration) error {
	_, err := s.client(step).ApplyStream(ctx, step.Config.stream())
	return err
}

func (s *scenario) createConsumer(ctx context.Context, step step, _ time.Duration) error {
	_, err := s.client(step).CreateConsumer(ctx, step.Stream, step.Config.consumer())
	return err
}

func (s *scenario) applyConsumer(ctx context.Context, step step, _ time.Duration) error {
	_, err := s.client(step).ApplyConsumer(ctx, step.Stream, step.Config.consumer())
	return err
}

func (c config) stream() *jetgatev1.StreamConfig {
	stream := &jetgatev1.StreamConfig{
		Name: c.Name, Subjects: c.Subjects, NumReplicas: c.NumReplicas,
		AllowAtomic: c.AllowAtomic, AllowBatched: c.AllowBatched, MaxMsgs: c.MaxMsgs,
	}
	if c.Discard == "new" {
		stream.Discard = jetgatev1.DiscardPolicy_DISCARD_POLICY_NEW
	}
	if c.DuplicateWindow > 0 {
		stream.DuplicateWindow = durationpb.New(seconds(c.DuplicateWindow))
	}
	return stream
}

func (c config) consumer() *jetgatev1.ConsumerConfig {
	consumer := &jetgatev1.ConsumerConfig{DurableName: c.DurableName, MaxDeliver: c.MaxDeliver}
	if c.AckWait > 0 {
		consumer.AckWait = durationpb.New(seconds(c.AckWait))
	}
	return consumer
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
