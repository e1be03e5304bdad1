package jetgate

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

type consumeStream = grpc.BidiStreamingClient[jetgatev1.ConsumeRequest, jetgatev1.ConsumeResponse]

// run opens one session after the other, and passes on at the end what none of them has answered.
func (c *Consumer) run(ctx context.Context, open *jetgatev1.ConsumeOpen, first chan struct{}) {
	defer close(c.over)
	defer c.cancel()
	var retries backoff
	var once sync.Once
	for {
		err := c.runSession(ctx, open, func() { retries.failures = 0; once.Do(func() { close(first) }) })
		if c.isOver(ctx, err) || retries.wait(ctx, err) != nil {
			break
		}
	}
	c.lock.Lock()
	left := c.book.left()
	c.lock.Unlock()
	calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCalls)
	defer cancel()
	c.unheard = c.client.acknowledge(calling, left)
}

// isOver is whether the session that ended so was the last.
func (c *Consumer) isOver(ctx context.Context, err error) bool {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.opened = false
	c.book.moved()
	isOver := c.closing || (err == nil && c.draining) || (err != nil && endsForGood(err)) || ctx.Err() != nil
	if isOver && c.err == nil && !c.closing && err != nil {
		c.err = err
	}
	if isOver {
		c.draining = true
		c.announce()
	}
	return isOver
}

// runSession is one stream from its opening to its end.
func (c *Consumer) runSession(ctx context.Context, open *jetgatev1.ConsumeOpen, isOpen func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	alive := newWatchdog(cancel)
	defer alive.stop()
	offered := c.offer(open)
	stream, err := c.client.subscriber.Consume(ctx)
	if err != nil {
		return fromRPC(err)
	}
	if err := stream.Send(&jetgatev1.ConsumeRequest{Frame: &jetgatev1.ConsumeRequest_Open{Open: open}}); err != nil && err != io.EOF {
		return fromRPC(err)
	}
	response, err := stream.Recv()
	if err != nil {
		return alive.explain(fromRPC(err))
	}
	opened := response.GetOpened()
	session := c.begin(offered, opened)
	isOpen()
	ended := make(chan error, 1)
	retiring := make(chan struct{}, 1)
	go func() {
		ended <- c.receive(stream, session, alive, retiring)
		close(ended)
	}()
	return alive.explain(c.send(stream, newSpeaking(session, opened), retiring, ended))
}

func (c *Consumer) offer(open *jetgatev1.ConsumeOpen) []*Received {
	c.lock.Lock()
	defer c.lock.Unlock()
	offered := c.book.offer(c.config.MaxOutstanding)
	open.Held = nil
	for _, message := range offered {
		open.Held = append(open.Held, message.token)
	}
	return offered
}

func (c *Consumer) begin(offered []*Received, opened *jetgatev1.SessionOpened) uint64 {
	c.lock.Lock()
	defer c.lock.Unlock()
	for _, lost := range c.book.adopted(offered, opened) {
		c.queue = slices.DeleteFunc(c.queue, func(waiting *Received) bool { return waiting == lost })
	}
	c.session++
	c.opened = true
	return c.session
}

// receive takes what comes until the stream ends; nil is its end in order.
func (c *Consumer) receive(stream consumeStream, session uint64, alive *watchdog, retiring chan<- struct{}) error {
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fromRPC(err)
		}
		alive.heard()
		switch frame := response.Frame.(type) {
		case *jetgatev1.ConsumeResponse_Messages:
			c.take(frame.Messages.Messages, session)
		case *jetgatev1.ConsumeResponse_Settled:
			c.lock.Lock()
			c.book.answered(frame.Settled)
			c.lock.Unlock()
		case *jetgatev1.ConsumeResponse_Heartbeat:
			c.hear(frame.Heartbeat)
		case *jetgatev1.ConsumeResponse_Draining:
			select {
			case retiring <- struct{}{}:
			default:
			}
		}
	}
}

func (c *Consumer) take(messages []*jetgatev1.ReceivedMessage, session uint64) {
	arrived := make([]*Received, len(messages))
	for i, raw := range messages {
		arrived[i] = &Received{
			Delivery: delivery(raw), consumer: c, session: session, id: raw.DeliveryId, token: raw.AckToken,
		}
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.draining {
		return
	}
	for _, message := range arrived {
		c.book.held[message] = struct{}{}
	}
	c.queue = append(c.queue, arrived...)
	c.announce()
}

func (c *Consumer) hear(heartbeat *jetgatev1.SessionHeartbeat) {
	stall := strings.TrimPrefix(heartbeat.StallReason.String(), "STALL_REASON_")
	if heartbeat.StallReason == jetgatev1.StallReason_STALL_REASON_UNSPECIFIED {
		stall = ""
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	c.state = State{Pending: heartbeat.Pending, Stall: stall}
}
