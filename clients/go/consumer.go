package jetgate

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// ErrDrained is returned by Consumer.Next once the consumer was drained or closed.
var ErrDrained = errors.New("jetgate: drained")

// ConsumerConfig says how a consumer is opened.
type ConsumerConfig struct {
	// Stream and Consumer name a durable consumer that exists.
	Stream, Consumer string
	// MaxOutstanding is how many messages may be delivered and not settled; 0 is 1,000.
	MaxOutstanding int
	// MaxOutstandingBytes is how many bytes; 0 is the gateway's default, 8 MiB.
	MaxOutstandingBytes int
	// Lease is for how long a message that is worked on is kept from others, however short the consumer's ack_wait is.
	// 0 is ten minutes; negative: it comes again after ack_wait unless InProgress is called.
	Lease time.Duration
}

func (c ConsumerConfig) open(name string) *jetgatev1.ConsumeOpen {
	outstanding := uint32(c.MaxOutstanding)
	open := &jetgatev1.ConsumeOpen{
		Stream:            c.Stream,
		Source:            &jetgatev1.ConsumeOpen_Consumer{Consumer: c.Consumer},
		Flow:              &jetgatev1.FlowLimits{MaxOutstandingMessages: &outstanding},
		HeartbeatInterval: durationpb.New(heartbeatInterval),
		ClientName:        name,
	}
	if c.MaxOutstandingBytes > 0 {
		bytes := uint64(c.MaxOutstandingBytes)
		open.Flow.MaxOutstandingBytes = &bytes
	}
	if c.Lease > 0 {
		open.Lease = &jetgatev1.Lease{AutoExtend: true, Max: durationpb.New(c.Lease)}
	}
	return open
}

// Consumer receives the messages of a durable consumer. It is safe for concurrent use: goroutines share the messages.
//
// What is not settled is delivered again, to this or another consumer. When a connection breaks, another is made, on any
// gateway, and what is worked on stays this consumer's.
type Consumer struct {
	client *Client
	config ConsumerConfig
	cancel context.CancelFunc
	over   chan struct{}

	lock  sync.Mutex
	queue []*Received
	book  *settlements
	// session counts the sessions; opened is whether the present one is open.
	session uint64
	opened  bool
	// changed is closed and replaced when something arrives, is settled during a drain, or ends.
	changed chan struct{}
	// work has something when the sender should look.
	work     chan struct{}
	draining bool
	closing  bool
	err      error
	state    State
	// unheard says what was not taken of what was said last; it is for whoever has seen over.
	unheard error
}

// State is what a consumer last heard of how it stands.
type State struct {
	// Pending is how many messages wait for the consumer.
	Pending uint64
	// Stall says why nothing comes: "WINDOW_FULL", "PAUSED", "NO_MESSAGES" and so on; empty where nothing stalls.
	Stall string
}

// Consume opens a consumer, and returns once its first session is open or cannot be.
func (c *Client) Consume(ctx context.Context, config ConsumerConfig) (*Consumer, error) {
	if config.MaxOutstanding == 0 {
		config.MaxOutstanding = 1000
	}
	if config.Lease == 0 {
		config.Lease = 10 * time.Minute
	}
	running, cancel := context.WithCancel(context.Background())
	consumer := &Consumer{
		client:  c,
		config:  config,
		cancel:  cancel,
		over:    make(chan struct{}),
		book:    newSettlements(),
		changed: make(chan struct{}),
		work:    make(chan struct{}, 1),
	}
	first := make(chan struct{})
	go consumer.run(running, config.open(c.name), first)
	select {
	case <-first:
		return consumer, nil
	case <-consumer.over:
		return nil, consumer.err
	case <-ctx.Done():
		cancel()
		<-consumer.over
		if last := consumer.err; last != nil {
			return nil, errors.Join(ctx.Err(), last)
		}
		return nil, ctx.Err()
	}
}

// Next waits for a message. ErrDrained is the end of Drain and Close; another error than that of ctx ends the consumer:
// it was deleted, for example.
func (c *Consumer) Next(ctx context.Context) (*Received, error) {
	c.lock.Lock()
	for len(c.queue) == 0 {
		if c.err != nil || c.draining {
			defer c.lock.Unlock()
			if c.err != nil {
				return nil, c.err
			}
			return nil, ErrDrained
		}
		changed := c.changed
		c.lock.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		c.lock.Lock()
	}
	defer c.lock.Unlock()
	message := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	return message, nil
}

// All ranges over the messages until Drain or Close, or until ctx ends. An error is the last that it yields.
func (c *Consumer) All(ctx context.Context) iter.Seq2[*Received, error] {
	return func(yield func(*Received, error) bool) {
		for {
			message, err := c.Next(ctx)
			if err == ErrDrained || !yield(message, err) || err != nil {
				return
			}
		}
	}
}

// Run calls handle for each message, so many at a time, until ctx ends; then it drains, for at most half a minute, and
// returns nil. A message is acknowledged when handle returns nil, unless handle has settled it; otherwise it is delivered
// again after a second. The context of handle goes on during the drain.
func (c *Consumer) Run(ctx context.Context, concurrency int, handle func(context.Context, *Received) error) error {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var workers sync.WaitGroup
	failed := make(chan error, concurrency)
	for range concurrency {
		workers.Go(func() {
			for message, err := range c.All(ctx) {
				if err != nil {
					failed <- err
					return
				}
				if handle(working, message) == nil {
					message.Ack()
				} else {
					message.NakDelayed(time.Second)
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { workers.Wait(); close(finished) }()
	select {
	case <-ctx.Done():
	case <-finished:
	}
	draining, cancel := context.WithTimeout(working, 30*time.Second)
	defer cancel()
	drained := c.Drain(draining)
	stop()
	<-finished
	for range len(failed) {
		if err := <-failed; ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
			return err
		}
	}
	return drained
}

// Drain asks for no more messages and waits until all that were handed out are settled; then it ends the session. Where
// ctx ends first, what is left is delivered again. It returns what Close does, too.
func (c *Consumer) Drain(ctx context.Context) error {
	c.lock.Lock()
	c.draining = true
	c.dropQueue()
	c.announce()
	c.wake()
	for (len(c.book.held) > 0 || c.book.unsaid() > 0) && c.err == nil {
		changed := c.changed
		c.lock.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			if err := c.Close(); err != nil {
				return errors.Join(ctx.Err(), err)
			}
			return ctx.Err()
		}
		c.lock.Lock()
	}
	c.lock.Unlock()
	return c.Close()
}

// Close ends the session at once. Settlements that were given are still sent, between sessions to any gateway; what is not
// settled goes to others. An error says that some seconds were not enough to pass on what was given: those messages may
// come again.
func (c *Consumer) Close() error {
	c.lock.Lock()
	c.draining, c.closing = true, true
	c.dropQueue()
	c.announce()
	isOpen := c.opened
	c.lock.Unlock()
	c.wake()
	if isOpen {
		select {
		case <-c.over:
		case <-time.After(lastAnswers):
		}
	}
	c.cancel()
	<-c.over
	return c.unheard
}

// How long the gateway may take to answer what was said last.
const lastAnswers = 5 * time.Second

// How long it may take then to say to any gateway what was not answered.
const lastCalls = 10 * time.Second

// State is what was last heard.
func (c *Consumer) State() State {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.state
}

func (c *Consumer) settle(message *Received, w word) {
	w.message = message
	c.lock.Lock()
	defer c.lock.Unlock()
	if !c.book.say(w) {
		return
	}
	// The sender takes along what comes meanwhile: it is told of the first, and of what is urgent.
	if c.book.unsaid() == 1 || w.kind != jetgatev1.AckKind_ACK_KIND_ACK || c.book.unsaid() >= c.config.MaxOutstanding/4 {
		c.wake()
	}
	if c.draining {
		c.announce()
	}
}

func (c *Consumer) dropQueue() {
	for _, message := range c.queue {
		delete(c.book.held, message)
	}
	c.queue = nil
}

func (c *Consumer) wake() {
	select {
	case c.work <- struct{}{}:
	default:
	}
}

// announce wakes everybody who waits; the lock is held.
func (c *Consumer) announce() {
	close(c.changed)
	c.changed = make(chan struct{})
}
