package jetgate

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// PublisherConfig says how a publisher sends. The zero value is a good start.
type PublisherConfig struct {
	// Stream takes all messages; empty: each goes to the stream that takes its subject.
	Stream string
	// Cumulative asks only whether messages are stored, not where: faster on streams with AllowBatchPublish, and
	// Result.Sequence stays 0. Needs Stream.
	Cumulative bool
	// MaxInFlight is how many messages may be unanswered; Publish waits beyond that. 0 is 4,096.
	MaxInFlight int
	// MaxInFlightBytes is how many bytes; 0 is 32 MiB.
	MaxInFlightBytes int
	// BatchMessages and BatchBytes are the most that goes together; 0 is 256 messages and 1 MiB.
	BatchMessages, BatchBytes int
	// Linger is how long a message waits for company while others are unanswered; 0 is 2 ms, negative is not at all.
	Linger time.Duration
	// Timeout is how long a message may take from when it is sent; 0 is 60 s. 100 ms to 10 min.
	Timeout time.Duration
	// NoMessageIDs saves the server the memory of ids, and gives up on a message that is unanswered when a connection
	// breaks: its outcome is unknown then.
	NoMessageIDs bool
}

func (c PublisherConfig) withDefaults() PublisherConfig {
	set := func(value *int, unset int) {
		if *value == 0 {
			*value = unset
		}
	}
	set(&c.MaxInFlight, 4096)
	set(&c.MaxInFlightBytes, 32<<20)
	set(&c.BatchMessages, 256)
	set(&c.BatchBytes, 1<<20)
	if c.Linger == 0 {
		c.Linger = 2 * time.Millisecond
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	return c
}

func (c PublisherConfig) open(name string) *jetgatev1.PublishOpen {
	open := &jetgatev1.PublishOpen{
		Stream:            c.Stream,
		MaxInFlight:       uint32(min(c.MaxInFlight, 16_384)),
		MaxInFlightBytes:  uint64(min(c.MaxInFlightBytes, 64<<20)),
		MintMessageIds:    !c.NoMessageIDs,
		PublishTimeout:    durationpb.New(c.Timeout),
		HeartbeatInterval: durationpb.New(heartbeatInterval),
		ClientName:        name,
	}
	if c.Cumulative {
		open.AckMode = jetgatev1.PublishAckMode_PUBLISH_ACK_MODE_CUMULATIVE
	}
	return open
}

// Publisher sends messages in batches and tells of each what became of it. It is safe for concurrent use.
//
// When a connection breaks, another is made, on any gateway, and what is unanswered is sent again under the same message
// ids: it is stored once, as long as the stream remembers them. Messages are sent in the order of Publish; one that has to
// be tried again may be stored behind later ones.
type Publisher struct {
	client *Client
	config PublisherConfig
	cancel context.CancelFunc
	// quit is closed when nothing is left to be sent; over, when the last stream has ended.
	quit, over chan struct{}

	lock   sync.Mutex
	ledger *ledger
	// room is closed and replaced whenever messages are answered.
	room chan struct{}
	// work has something when the sender should look.
	work    chan struct{}
	hurry   bool
	closing bool
	err     error
	// producer is what the ids of messages without one are made of, with their numbers.
	producer string
}

// NewPublisher makes a publisher. It connects with its first message.
func (c *Client) NewPublisher(config PublisherConfig) *Publisher {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Publisher{
		client: c,
		config: config.withDefaults(),
		cancel: cancel,
		quit:   make(chan struct{}),
		over:   make(chan struct{}),
		ledger: newLedger(),
		room:   make(chan struct{}),
		work:   make(chan struct{}, 1),
	}
	go p.run(ctx)
	return p
}

// Publish hands a message over and returns its future. It waits while too much is unanswered, until ctx ends; an error
// means that the message is not published. The payload must not be changed before the future is done.
func (p *Publisher) Publish(ctx context.Context, message Message) (*Future, error) {
	request, future := message.request(), &Future{}
	size := len(message.Payload) + len(message.Subject) + 64
	p.lock.Lock()
	for p.err == nil && !p.closing && p.isFull(size) {
		room := p.room
		p.hurry = true
		p.lock.Unlock()
		p.wake()
		select {
		case <-room:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		p.lock.Lock()
	}
	defer p.lock.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	if p.closing {
		return nil, ErrClosed
	}
	p.ledger.add(request, future, size)
	// The sender looks for more by itself: it is told of the first, and of a full batch.
	if waiting := p.ledger.waiting(); waiting == 1 || waiting == p.config.BatchMessages {
		p.wake()
	}
	return future, nil
}

// Flush waits until everything that was handed over is answered. What failed says so in its future.
func (p *Publisher) Flush(ctx context.Context) error {
	p.lock.Lock()
	for p.ledger.messages > 0 && p.err == nil {
		room := p.room
		p.hurry = true
		p.lock.Unlock()
		p.wake()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
		p.lock.Lock()
	}
	defer p.lock.Unlock()
	return p.err
}

// Close flushes and ends the publisher. Where ctx ends first, what is unanswered fails, and its outcome is unknown.
func (p *Publisher) Close(ctx context.Context) error {
	p.lock.Lock()
	isFirst := !p.closing
	p.closing = true
	p.lock.Unlock()
	err := p.Flush(ctx)
	p.fail(ErrClosed)
	if isFirst {
		close(p.quit)
		backstop := time.AfterFunc(lastAnswers, p.cancel)
		defer backstop.Stop()
		if err != nil {
			p.cancel()
		}
	}
	<-p.over
	p.cancel()
	if err == ErrClosed {
		return nil
	}
	return err
}

func (p *Publisher) isFull(size int) bool {
	return p.ledger.messages >= p.config.MaxInFlight ||
		(p.ledger.messages > 0 && p.ledger.bytes+size > p.config.MaxInFlightBytes)
}

func (p *Publisher) wake() {
	select {
	case p.work <- struct{}{}:
	default:
	}
}

// fail ends the publisher: what is unanswered fails with this error. A message that was sent may be stored.
func (p *Publisher) fail(err error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.ledger.fail(func(number uint64, e *entry) {
		if e.sentAt.IsZero() {
			e.future.resolve(Result{}, err)
		} else {
			e.future.resolve(Result{}, outcomeUnknown(err.Error(), p.messageID(number, e)))
		}
	})
	p.announceRoom()
}

// announceRoom wakes everybody who waits for answers; the lock is held.
func (p *Publisher) announceRoom() {
	close(p.room)
	p.room = make(chan struct{})
}
