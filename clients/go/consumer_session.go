package jetgate

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

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
	var session *consumeSession
	for {
		var err error
		if session == nil {
			session, err = c.openSession(ctx, open)
		}
		if session != nil {
			retries.failures = 0
			once.Do(func() { close(first) })
			session, err = c.serve(ctx, open, session)
		}
		if session == nil && (c.isOver(ctx, err) || retries.wait(ctx, err) != nil) {
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

// consumeSession is a session that is open, or is being opened.
type consumeSession struct {
	stream consumeStream
	cancel context.CancelFunc
	alive  *watchdog
	// offered is what it was asked to take over, by these tokens; there may be fresh ones since.
	offered []*Received
	tokens  []string
	opened  *jetgatev1.SessionOpened
	// ended has why the stream ended, and is closed then.
	ended chan error
	// retiring has something when the gateway is about to end the session.
	retiring chan struct{}
}

func (c *Consumer) openSession(ctx context.Context, open *jetgatev1.ConsumeOpen) (*consumeSession, error) {
	session, err := c.dial(ctx, open, c.offer(open))
	if err == nil {
		c.begin(session)
	}
	return session, err
}

// dial opens a session that is asked to take over what is offered.
func (c *Consumer) dial(ctx context.Context, open *jetgatev1.ConsumeOpen, offered []*Received) (*consumeSession, error) {
	ctx, cancel := context.WithCancel(ctx)
	session := &consumeSession{
		cancel: cancel, alive: newWatchdog(cancel), offered: offered, tokens: open.Held,
		ended: make(chan error, 1), retiring: make(chan struct{}, 1),
	}
	if err := session.dial(ctx, c.client.subscriber, open); err != nil {
		session.end()
		return nil, session.alive.explain(fromRPC(err))
	}
	return session, nil
}

func (s *consumeSession) dial(ctx context.Context, subscriber jetgatev1.SubscriberServiceClient, open *jetgatev1.ConsumeOpen) error {
	stream, err := subscriber.Consume(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&jetgatev1.ConsumeRequest{Frame: &jetgatev1.ConsumeRequest_Open{Open: open}}); err != nil && err != io.EOF {
		return err
	}
	response, err := stream.Recv()
	if err != nil {
		return err
	}
	s.stream, s.opened = stream, response.GetOpened()
	return nil
}

func (s *consumeSession) end() {
	s.alive.stop()
	s.cancel()
}

// leave lets the gateway end the session: everything is with the next one.
func (s *consumeSession) leave() {
	_ = s.stream.CloseSend()
	go func() {
		defer s.end()
		select {
		case <-s.ended:
		case <-time.After(lastAnswers):
		}
	}()
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

// begin goes over to a session that was opened: what the one before did not answer is said to this one.
func (c *Consumer) begin(session *consumeSession) {
	c.lock.Lock()
	c.book.moved()
	for _, lost := range c.book.adopted(session.offered, session.tokens, session.opened) {
		c.queue = slices.DeleteFunc(c.queue, func(waiting *Received) bool { return waiting == lost })
	}
	c.session++
	c.opened = true
	number := c.session
	c.lock.Unlock()
	go func() {
		session.ended <- session.alive.explain(c.receive(session, number))
		close(session.ended)
	}()
}

// receive takes what comes until the stream ends; nil is its end in order.
func (c *Consumer) receive(session *consumeSession, number uint64) error {
	isRetiring := false
	for {
		response, err := session.stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fromRPC(err)
		}
		session.alive.heard()
		switch frame := response.Frame.(type) {
		case *jetgatev1.ConsumeResponse_Messages:
			c.take(frame.Messages.Messages, number)
		case *jetgatev1.ConsumeResponse_Settled:
			c.lock.Lock()
			c.book.answered(frame.Settled)
			c.lock.Unlock()
			if isRetiring {
				c.wake() // the next session waits for this
			}
		case *jetgatev1.ConsumeResponse_Heartbeat:
			c.hear(frame.Heartbeat)
		case *jetgatev1.ConsumeResponse_Draining:
			isRetiring = true
			select {
			case session.retiring <- struct{}{}:
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
