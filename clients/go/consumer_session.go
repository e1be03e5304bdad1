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

// How long acknowledgements wait for others to share their frame.
const ackLinger = 2 * time.Millisecond

// run opens one session after the other.
func (c *Consumer) run(ctx context.Context, open *jetgatev1.ConsumeOpen, first chan struct{}) {
	defer close(c.over)
	defer c.cancel()
	var retries backoff
	var once sync.Once
	for {
		err := c.runSession(ctx, open, func() { retries.failures = 0; once.Do(func() { close(first) }) })
		c.lock.Lock()
		c.opened = false
		isOver := c.closing || (err == nil && c.draining) || (err != nil && endsForGood(err)) || ctx.Err() != nil
		if isOver && c.err == nil && !c.closing && err != nil {
			c.err = err
		}
		if isOver {
			c.draining = true
			c.announce()
		}
		c.lock.Unlock()
		if isOver || retries.wait(ctx, err) != nil {
			return
		}
	}
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
	retiring := make(chan struct{})
	go func() {
		ended <- c.receive(stream, session, alive, retiring)
		close(ended)
	}()
	return alive.explain(c.send(stream, session, opened, retiring, ended))
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

// send says what is to be said until the stream ends, and why it did.
func (c *Consumer) send(stream consumeStream, session uint64, opened *jetgatev1.SessionOpened, retiring <-chan struct{}, ended <-chan error) error {
	pingAfter := opened.PingWithin.AsDuration() / 3
	ping := time.NewTimer(pingAfter)
	defer ping.Stop()
	linger := time.NewTimer(time.Hour)
	defer linger.Stop()
	isDraining, isRetiring := false, false
	for {
		frame := c.nextFrame(session, &isDraining)
		switch {
		case frame == nil:
		case frame.Frame == nil:
			_ = stream.CloseSend()
			return <-ended
		default:
			if stream.Send(frame) != nil {
				return <-ended
			}
			ping.Reset(pingAfter)
			c.said()
			continue
		}
		select {
		case <-c.work:
			linger.Reset(ackLinger)
			if c.isPatient() {
				select {
				case <-linger.C:
				case <-c.work:
				case err := <-ended:
					return err
				}
			}
		case <-ping.C:
			frame := &jetgatev1.ConsumeRequest{Frame: &jetgatev1.ConsumeRequest_Ping{Ping: &jetgatev1.Ping{}}}
			if renewals := c.renewals(isRetiring); renewals != nil {
				frame = &jetgatev1.ConsumeRequest{Frame: &jetgatev1.ConsumeRequest_Settle{Settle: renewals}}
			}
			if stream.Send(frame) != nil {
				return <-ended
			}
			ping.Reset(pingAfter)
		case <-retiring:
			retiring, isRetiring = nil, true
			if wait := opened.AckWait.AsDuration() / 4; wait > 0 {
				pingAfter = min(pingAfter, wait)
			}
			ping.Reset(0) // the session may end before the next is due
		case err := <-ended:
			return err
		}
	}
}

// nextFrame is what is to be said next; a frame without content is the end of what is said.
func (c *Consumer) nextFrame(session uint64, isDraining *bool) *jetgatev1.ConsumeRequest {
	c.lock.Lock()
	defer c.lock.Unlock()
	if settle := c.book.frame(session); settle != nil {
		return &jetgatev1.ConsumeRequest{Frame: &jetgatev1.ConsumeRequest_Settle{Settle: settle}}
	}
	if c.closing {
		return &jetgatev1.ConsumeRequest{}
	}
	if c.draining && !*isDraining {
		*isDraining = true
		return &jetgatev1.ConsumeRequest{Frame: &jetgatev1.ConsumeRequest_Drain{Drain: &jetgatev1.Drain{}}}
	}
	return nil
}

// isPatient is whether what there is to say may wait for more.
func (c *Consumer) isPatient() bool {
	c.lock.Lock()
	defer c.lock.Unlock()
	return len(c.book.words) == 0 && len(c.book.acks) < c.config.MaxOutstanding/4 && !c.draining
}

func (c *Consumer) said() {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.draining {
		c.announce()
	}
}

func (c *Consumer) renewals(isRetiring bool) *jetgatev1.SettleFrame {
	c.lock.Lock()
	defer c.lock.Unlock()
	if !isRetiring || c.draining {
		return nil
	}
	return c.book.renewals()
}

// receive takes what comes until the stream ends; nil is its end in order.
func (c *Consumer) receive(stream consumeStream, session uint64, alive *watchdog, retiring chan struct{}) error {
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
			close(retiring)
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
