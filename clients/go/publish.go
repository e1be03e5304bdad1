package jetgate

import (
	"context"

	"google.golang.org/grpc"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// Publish stores one message and returns once its stream has taken it. Without a deadline in ctx it has ten seconds.
// For many messages a Publisher is several times faster. Where OutcomeUnknown is true of the error the message may be stored:
// publish it again with the id that is in its metadata "message_id".
func (c *Client) Publish(ctx context.Context, message Message) (Result, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	request := message.request()
	if request.MessageId == "" {
		// An id that only the gateway knows would not make the retries of this library safe.
		request.MessageId = newMessageID()
	}
	response, _, err := attempt(ctx, request.MessageId, true, func(option grpc.CallOption) (*jetgatev1.PublishResponse, error) {
		return c.publisher.Publish(ctx, request, option)
	})
	if err != nil {
		return Result{}, err
	}
	return resultOf(response), nil
}

// BatchMode says what the messages of a batch have to do with one another.
type BatchMode int

// The modes of PublishBatch.
const (
	// BatchIndependent: each fails or succeeds by itself.
	BatchIndependent BatchMode = iota
	// BatchOrdered: each is sent after the one before it is stored; nothing behind the first that fails.
	BatchOrdered
	// BatchAtomic: all or none are stored; the stream needs AllowAtomicPublish.
	BatchAtomic
)

// BatchResult is what became of one message of a batch.
type BatchResult struct {
	Result
	// Err says why the message is not stored; nil where it is.
	Err error
}

// PublishBatch publishes up to 1,000 messages in one call and tells what became of each, in their order. An error of the
// call itself means with BatchAtomic that none is stored, unless OutcomeUnknown is true of it.
func (c *Client) PublishBatch(ctx context.Context, mode BatchMode, messages ...Message) ([]BatchResult, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	request := &jetgatev1.PublishBatchRequest{Mode: batchModes[mode], Messages: make([]*jetgatev1.PublishRequest, len(messages))}
	isRepeatable := mode == BatchIndependent
	for i := range messages {
		request.Messages[i] = messages[i].request()
		isRepeatable = isRepeatable && messages[i].MessageID != ""
	}
	response, wasOpen, err := attempt(ctx, "", isRepeatable, func(option grpc.CallOption) (*jetgatev1.PublishBatchResponse, error) {
		return c.publisher.PublishBatch(ctx, request, option)
	})
	if err != nil {
		return nil, err
	}
	results := make([]BatchResult, len(response.Results))
	for i, result := range response.Results {
		if failed := fromItem(result.Status); failed != nil {
			results[i].Err = newError(failed).judged(wasOpen, messages[i].MessageID)
		} else {
			results[i].Result = resultOf(result.Published)
		}
	}
	return results, nil
}

var batchModes = map[BatchMode]jetgatev1.PublishBatchMode{
	BatchIndependent: jetgatev1.PublishBatchMode_PUBLISH_BATCH_MODE_INDEPENDENT,
	BatchOrdered:     jetgatev1.PublishBatchMode_PUBLISH_BATCH_MODE_ORDERED_STOP_ON_ERROR,
	BatchAtomic:      jetgatev1.PublishBatchMode_PUBLISH_BATCH_MODE_ATOMIC,
}

func resultOf(response *jetgatev1.PublishResponse) Result {
	return Result{
		Stream:    response.GetStream(),
		Sequence:  response.GetSequence(),
		Duplicate: response.GetDuplicate(),
		MessageID: response.GetMessageId(),
	}
}
