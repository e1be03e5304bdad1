package jetgate

import (
	"context"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// CreateStream makes a stream. Where an equal one exists it is returned; a different one is STREAM_EXISTS.
func (c *Client) CreateStream(ctx context.Context, config *jetgatev1.StreamConfig) (*jetgatev1.Stream, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	response, err := c.streams.CreateStream(ctx, &jetgatev1.CreateStreamRequest{Config: config})
	return response.GetStream(), fromRPC(err)
}

// ApplyStream makes the stream, or changes it to this configuration, and says which it did.
func (c *Client) ApplyStream(ctx context.Context, config *jetgatev1.StreamConfig) (*jetgatev1.ApplyStreamResponse, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	response, err := c.streams.ApplyStream(ctx, &jetgatev1.ApplyStreamRequest{Config: config})
	return response, fromRPC(err)
}

// Stream returns a stream's configuration and state.
func (c *Client) Stream(ctx context.Context, stream string) (*jetgatev1.Stream, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	response, err := c.streams.GetStream(ctx, &jetgatev1.GetStreamRequest{Stream: stream})
	return response.GetStream(), fromRPC(err)
}

// DeleteStream removes a stream with all its messages and consumers.
func (c *Client) DeleteStream(ctx context.Context, stream string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := c.streams.DeleteStream(ctx, &jetgatev1.DeleteStreamRequest{Stream: stream})
	return fromRPC(err)
}

// CreateConsumer makes a consumer. Where an equal one exists it is returned; a different one is CONSUMER_EXISTS.
func (c *Client) CreateConsumer(ctx context.Context, stream string, config *jetgatev1.ConsumerConfig) (*jetgatev1.Consumer, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	response, err := c.consumers.CreateConsumer(ctx, &jetgatev1.CreateConsumerRequest{Stream: stream, Config: config})
	return response.GetConsumer(), fromRPC(err)
}

// ApplyConsumer makes the consumer, or changes it to this configuration, and says which it did.
func (c *Client) ApplyConsumer(ctx context.Context, stream string, config *jetgatev1.ConsumerConfig) (*jetgatev1.ApplyConsumerResponse, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	response, err := c.consumers.ApplyConsumer(ctx, &jetgatev1.ApplyConsumerRequest{Stream: stream, Config: config})
	return response, fromRPC(err)
}

// ConsumerInfo returns a consumer's configuration and state.
func (c *Client) ConsumerInfo(ctx context.Context, stream, consumer string) (*jetgatev1.Consumer, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	response, err := c.consumers.GetConsumer(ctx, &jetgatev1.GetConsumerRequest{Stream: stream, Consumer: consumer})
	return response.GetConsumer(), fromRPC(err)
}

// DeleteConsumer removes a consumer; what it has not acknowledged stays in its stream.
func (c *Client) DeleteConsumer(ctx context.Context, stream, consumer string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	_, err := c.consumers.DeleteConsumer(ctx, &jetgatev1.DeleteConsumerRequest{Stream: stream, Consumer: consumer})
	return fromRPC(err)
}

// Info returns the gateway's version, its NATS connection and its limits.
func (c *Client) Info(ctx context.Context) (*jetgatev1.GetInfoResponse, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	response, err := c.gateway.GetInfo(ctx, &jetgatev1.GetInfoRequest{})
	return response, fromRPC(err)
}
