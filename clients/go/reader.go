package jetgate

import (
	"context"
	"errors"
	"io"
	"iter"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// ReaderConfig says what a reader reads, from where to where.
type ReaderConfig struct {
	// Stream is what it reads.
	Stream string
	// FilterSubjects: only messages whose subject matches one of these; empty is all.
	FilterSubjects []string
	// FromSequence begins with the message of this sequence, or the next one that there is.
	FromSequence uint64
	// FromTime begins with the first message that was stored at this time or later.
	FromTime time.Time
	// Deliver says where to begin otherwise; the zero value is with the first message.
	Deliver jetgatev1.DeliverPolicy
	// UntilLast ends with the last message that there is at the beginning.
	UntilLast bool
	// Resume is the Position of an earlier reader of the same: go on behind it.
	Resume string
	// ReportGaps goes on where the stream no longer has the next messages, and notes it in Gaps; otherwise Next fails
	// with POSITION_LOST.
	ReportGaps bool
	// HeadersOnly reads without payloads.
	HeadersOnly bool
}

func (c ReaderConfig) open(name string) *jetgatev1.ConsumeOpen {
	ordered := &jetgatev1.OrderedConsumer{
		FilterSubjects: c.FilterSubjects, DeliverPolicy: c.Deliver, HeadersOnly: c.HeadersOnly,
	}
	switch {
	case c.FromSequence > 0:
		ordered.DeliverPolicy = jetgatev1.DeliverPolicy_DELIVER_POLICY_BY_START_SEQUENCE
		ordered.OptStartSeq = c.FromSequence
	case !c.FromTime.IsZero():
		ordered.DeliverPolicy = jetgatev1.DeliverPolicy_DELIVER_POLICY_BY_START_TIME
		ordered.OptStartTime = timestamppb.New(c.FromTime)
	}
	open := &jetgatev1.ConsumeOpen{
		Stream:            c.Stream,
		Source:            &jetgatev1.ConsumeOpen_Ordered{Ordered: ordered},
		HeartbeatInterval: durationpb.New(heartbeatInterval),
		ClientName:        name,
		OnGap:             jetgatev1.GapPolicy_GAP_POLICY_FAIL,
	}
	if c.ReportGaps {
		open.OnGap = jetgatev1.GapPolicy_GAP_POLICY_REPORT
	}
	if c.UntilLast {
		open.StopAt = &jetgatev1.StopAt{Position: &jetgatev1.StopAt_Last{Last: true}}
	}
	return open
}

// Reader reads a stream in order, without loss or repeat, over lost connections too. Nothing is acknowledged. Its methods
// are for one goroutine; Close is for any.
type Reader struct {
	client *Client
	cancel context.CancelFunc
	over   chan struct{}
	// batches is how far reading ahead goes.
	batches chan batch
	err     error

	current  batch
	token    string
	sequence uint64

	lock sync.Mutex
	gaps []*jetgatev1.Gap
}

// batch is messages, and where to go on behind them.
type batch struct {
	messages []*jetgatev1.ReceivedMessage
	token    string
}

// Read opens a reader, and returns once its first session is open or cannot be.
func (c *Client) Read(ctx context.Context, config ReaderConfig) (*Reader, error) {
	running, cancel := context.WithCancel(context.Background())
	r := &Reader{client: c, cancel: cancel, over: make(chan struct{}), batches: make(chan batch, 4)}
	open := config.open(c.name)
	var skip uint64
	if config.Resume != "" {
		before, token, found := strings.Cut(config.Resume, ".")
		var err error
		if skip, err = strconv.ParseUint(before, 10, 64); err != nil || !found {
			cancel()
			return nil, errors.New("jetgate: Resume is not a Position")
		}
		open.ResumeToken, r.token, r.sequence = token, token, skip
	}
	first := make(chan struct{})
	go r.run(running, open, skip, first)
	select {
	case <-first:
		return r, nil
	case <-r.over:
		cancel()
		if r.err == nil {
			return r, nil
		}
		return nil, r.err
	case <-ctx.Done():
		cancel()
		<-r.over
		return nil, ctx.Err()
	}
}

// Next waits for a message. io.EOF is the end: of what was asked for, or by Close.
func (r *Reader) Next(ctx context.Context) (*Delivery, error) {
	for len(r.current.messages) == 0 {
		if r.current.token != "" {
			r.token, r.sequence = r.current.token, 0
			r.current.token = ""
		}
		select {
		case next, more := <-r.batches:
			if !more {
				if r.err != nil {
					return nil, r.err
				}
				return nil, io.EOF
			}
			r.current = next
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	message := delivery(r.current.messages[0])
	r.current.messages = r.current.messages[1:]
	r.sequence = message.Sequence
	return &message, nil
}

// All ranges over the messages until the end, or until ctx ends. An error is the last that it yields.
func (r *Reader) All(ctx context.Context) iter.Seq2[*Delivery, error] {
	return func(yield func(*Delivery, error) bool) {
		for {
			message, err := r.Next(ctx)
			if err == io.EOF || !yield(message, err) || err != nil {
				return
			}
		}
	}
}

// Position is behind the last message that Next returned; a later reader of the same goes on there by Resume.
func (r *Reader) Position() string {
	if len(r.current.messages) == 0 && r.current.token != "" {
		return "0." + r.current.token
	}
	return strconv.FormatUint(r.sequence, 10) + "." + r.token
}

// Gaps says where messages were missing, with ReportGaps.
func (r *Reader) Gaps() []*jetgatev1.Gap {
	r.lock.Lock()
	defer r.lock.Unlock()
	return append([]*jetgatev1.Gap(nil), r.gaps...)
}

// Close ends the read.
func (r *Reader) Close() {
	r.cancel()
	<-r.over
}

// run opens one session after the other, each behind the last message received.
func (r *Reader) run(ctx context.Context, open *jetgatev1.ConsumeOpen, skip uint64, first chan struct{}) {
	defer close(r.over)
	defer close(r.batches)
	var retries backoff
	var once sync.Once
	for {
		err := r.runSession(ctx, open, &skip, func() { retries.failures = 0; once.Do(func() { close(first) }) })
		if err == nil || ctx.Err() != nil {
			return
		}
		if endsForGood(err) {
			r.err = err
			return
		}
		if retries.wait(ctx, err) != nil {
			return
		}
	}
}

func (r *Reader) runSession(ctx context.Context, open *jetgatev1.ConsumeOpen, skip *uint64, isOpen func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	alive := newWatchdog(cancel)
	defer alive.stop()
	stream, err := r.client.subscriber.Consume(ctx)
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
	if open.ResumeToken == "" {
		open.ResumeToken = response.GetOpened().ResumeToken
	}
	if !r.pass(ctx, alive, batch{token: open.ResumeToken}, skip) {
		return ctx.Err()
	}
	isOpen()
	go ping(ctx, stream, response.GetOpened().PingWithin.AsDuration()/3)
	for {
		response, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return alive.explain(fromRPC(err))
		}
		alive.heard()
		var next batch
		isEnding := false
		switch frame := response.Frame.(type) {
		case *jetgatev1.ConsumeResponse_Messages:
			next = batch{messages: frame.Messages.Messages, token: frame.Messages.ResumeToken}
		case *jetgatev1.ConsumeResponse_Heartbeat:
			next.token = frame.Heartbeat.ResumeToken
		case *jetgatev1.ConsumeResponse_Draining:
			isEnding = true
			next.token = frame.Draining.ResumeToken
		case *jetgatev1.ConsumeResponse_Gap:
			r.note(frame.Gap, skip)
		}
		if next.token != "" {
			open.ResumeToken = next.token
			if !r.pass(ctx, alive, next, skip) {
				return ctx.Err()
			}
		}
		if isEnding {
			return &Error{Code: codes.Unavailable, Message: "the gateway ends the session"}
		}
	}
}

// pass hands a batch over. Where the reader does not read, nothing is heard of the gateway, and that is no fault.
func (r *Reader) pass(ctx context.Context, alive *watchdog, next batch, skip *uint64) bool {
	for len(next.messages) > 0 && next.messages[0].StreamSequence <= *skip {
		next.messages = next.messages[1:]
	}
	if len(next.messages) == 0 && *skip > 0 {
		next.token = "" // the position is behind what this token resumes at
		return true
	}
	*skip = 0
	alive.stop()
	defer alive.heard()
	select {
	case r.batches <- next:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *Reader) note(gap *jetgatev1.Gap, skip *uint64) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.gaps = append(r.gaps, gap)
	if gap.StreamRecreated {
		*skip = 0
	}
}

// ping says that the caller lives, as it says nothing else.
func ping(ctx context.Context, stream consumeStream, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if stream.Send(&jetgatev1.ConsumeRequest{Frame: &jetgatev1.ConsumeRequest_Ping{Ping: &jetgatev1.Ping{}}}) != nil {
				return
			}
		}
	}
}
