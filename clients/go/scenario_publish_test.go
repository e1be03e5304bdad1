package jetgate_test

import (
	"context"
	"fmt"
	"time"

	jetgate "github.com/jetgate/jetgate/clients/go"
)

// The verbs of a scenario that publish.

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
		Timeout: usual,
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
