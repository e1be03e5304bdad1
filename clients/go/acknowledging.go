package jetgate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// acknowledge settles by calls, which any gateway takes, again and again until ctx ends. The error says how many were not
// taken, and why: those messages may come again.
func (c *Client) acknowledge(ctx context.Context, words []word) error {
	var failed int
	var why error
	for part := range slices.Chunk(words, mostItems) {
		results, err := c.acknowledgeOnce(ctx, part)
		if err != nil {
			failed, why = failed+len(part), err
			continue
		}
		for _, result := range results {
			if err := fromItem(result); err != nil {
				failed, why = failed+1, err
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("jetgate: %d settlements were not taken, the messages may come again: %w", failed, why)
	}
	return nil
}

func (c *Client) acknowledgeOnce(ctx context.Context, words []word) ([]*jetgatev1.ItemStatus, error) {
	request := &jetgatev1.AcknowledgeRequest{Acknowledgements: byTokens(words)}
	var retries backoff
	for {
		response, err := c.acknowledgeSoon(ctx, request)
		if err == nil {
			return response.Results, nil
		}
		err = fromRPC(err)
		if endsForGood(err) || retries.wait(ctx, err) != nil {
			return nil, err
		}
	}
}

// acknowledgeSoon leaves time for another gateway where the one that is asked hangs.
func (c *Client) acknowledgeSoon(ctx context.Context, request *jetgatev1.AcknowledgeRequest) (*jetgatev1.AcknowledgeResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, lastCalls/3)
	defer cancel()
	return c.subscriber.Acknowledge(ctx, request)
}

// confirm acknowledges one message, and returns once JetStream has it.
func (c *Consumer) confirm(ctx context.Context, message *Received) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	c.lock.Lock()
	request := &jetgatev1.AcknowledgeRequest{
		Acknowledgements: []*jetgatev1.Acknowledgement{byToken(message, jetgatev1.AckKind_ACK_KIND_ACK)},
	}
	c.lock.Unlock()
	response, err := c.client.subscriber.Acknowledge(ctx, request)
	if err != nil {
		return fromRPC(err)
	}
	if len(response.Results) != 1 {
		return errors.New("jetgate: the gateway answered something else")
	}
	if err := fromItem(response.Results[0]); err != nil {
		return err
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	c.book.settled(message)
	if c.draining {
		c.announce()
	}
	return nil
}
