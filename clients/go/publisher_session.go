package jetgate

import (
	"context"
	"io"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// How often the gateway is heard of at least; a stream that is silent for three times as long is given up.
const heartbeatInterval = 5 * time.Second

type publishStream = grpc.BidiStreamingClient[jetgatev1.PublishStreamRequest, jetgatev1.PublishStreamResponse]

// run keeps a stream open as long as there is something to send.
func (p *Publisher) run(ctx context.Context) {
	defer close(p.over)
	open := p.config.open(p.client.name)
	var retries backoff
	for {
		select {
		case <-p.work:
			p.wake()
		case <-p.quit:
			return
		}
		err := p.session(ctx, open, &retries)
		if p.isOver() {
			return
		}
		if err != nil && endsForGood(err) {
			p.fail(err)
			return
		}
		p.rewind(err)
		if retries.wait(ctx, err) != nil {
			return
		}
		p.wake()
	}
}

// rewind prepares what is unanswered to be sent again. What has no id may not be, and is given up.
func (p *Publisher) rewind(err error) {
	reason := "the stream ended"
	if err != nil {
		reason = err.Error()
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	p.giveUp(func(e *entry) bool { return !p.config.NoMessageIDs || e.request.MessageId != "" }, reason)
	p.ledger.rewind()
}

// usualWindow is how long a stream remembers ids, where it does not say: JetStream's default.
const usualWindow = 2 * time.Minute

// mayBeForgotten is whether a stream that remembers ids so long may not know the id of what went out then any more, or not when
// it comes again: some time is left for the way there. What never went out is not meant.
func mayBeForgotten(sentAt time.Time, remembers time.Duration) bool {
	return !sentAt.IsZero() && time.Since(sentAt) >= remembers*9/10
}

// begin takes up a stream that is open now. What its stream may have forgotten the id of is given up: it might be stored twice.
func (p *Publisher) begin(open *jetgatev1.PublishOpen, opened *jetgatev1.PublishOpened) {
	remembers := usualWindow
	if opened.DuplicateWindow != nil {
		remembers = opened.DuplicateWindow.AsDuration()
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	if opened.ProducerId != "" {
		open.ProducerId, open.Resume = opened.ProducerId, true
		p.producer = opened.ProducerId
	}
	p.giveUp(func(e *entry) bool { return !mayBeForgotten(e.sentAt, remembers) }, "its stream may have forgotten the id")
}

// giveUp takes out what would not be safe to send again; the lock is held.
func (p *Publisher) giveUp(isSafe func(*entry) bool, why string) {
	p.ledger.giveUp(isSafe, func(number uint64, e *entry) {
		e.future.resolve(Result{}, outcomeUnknown(why, p.messageID(number, e)))
	})
	p.announceRoom()
}

// messageID is the id that the message of this number is stored with; empty where it has none.
func (p *Publisher) messageID(number uint64, e *entry) string {
	if e.request.MessageId != "" || p.producer == "" {
		return e.request.MessageId
	}
	return p.producer + ":" + strconv.FormatUint(number, 10)
}

// session is one stream from its opening to its end, and why it ended.
func (p *Publisher) session(ctx context.Context, open *jetgatev1.PublishOpen, retries *backoff) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	alive := newWatchdog(cancel)
	defer alive.stop()
	stream, err := p.client.publisher.PublishStream(ctx)
	if err != nil {
		return fromRPC(err)
	}
	if err := stream.Send(&jetgatev1.PublishStreamRequest{Frame: &jetgatev1.PublishStreamRequest_Open{Open: open}}); err != nil && err != io.EOF {
		return fromRPC(err)
	}
	first, err := stream.Recv()
	if err != nil {
		return alive.explain(fromRPC(err))
	}
	opened := first.GetOpened()
	retries.failures = 0
	p.begin(open, opened)
	ended := make(chan error, 1)
	draining := make(chan struct{})
	go func() {
		ended <- p.receive(stream, alive, sync.OnceFunc(func() { close(draining) }))
		close(ended)
	}()
	err = p.send(stream, opened.PingWithin.AsDuration()/3, draining, ended)
	if err == nil {
		err = <-ended
	}
	select {
	case <-draining:
		return nil // an end that was announced, with everything answered, says nothing of the next stream
	default:
		return alive.explain(err)
	}
}

func (p *Publisher) isOver() bool {
	select {
	case <-p.quit:
		return true
	default:
		return false
	}
}

// send writes frames until the stream ends, or is about to.
func (p *Publisher) send(stream publishStream, pingAfter time.Duration, draining <-chan struct{}, ended <-chan error) error {
	ping := time.NewTimer(pingAfter)
	defer ping.Stop()
	linger := time.NewTimer(time.Hour)
	defer linger.Stop()
	for {
		first, frame := p.nextFrame(false)
		if frame == nil && p.isWaiting() {
			linger.Reset(max(p.config.Linger, 0))
			select {
			case <-linger.C:
			case <-p.work:
			case err := <-ended:
				return err
			case <-draining:
				return nil
			}
			first, frame = p.nextFrame(true)
		}
		if frame != nil {
			messages := &jetgatev1.PublishFrame{FirstNumber: first, Messages: frame}
			request := &jetgatev1.PublishStreamRequest{Frame: &jetgatev1.PublishStreamRequest_Messages{Messages: messages}}
			if err := stream.Send(request); err != nil {
				return nil // the receiver has the reason
			}
			ping.Reset(pingAfter)
			select {
			case <-draining:
				return nil
			default:
			}
			continue
		}
		select {
		case <-p.work:
		case <-ping.C:
			request := &jetgatev1.PublishStreamRequest{Frame: &jetgatev1.PublishStreamRequest_Ping{Ping: &jetgatev1.Ping{}}}
			if err := stream.Send(request); err != nil {
				return nil
			}
			ping.Reset(pingAfter)
		case err := <-ended:
			return err
		case <-draining:
			return nil
		case <-p.quit:
			_ = stream.CloseSend()
			return nil
		}
	}
}

func (p *Publisher) isWaiting() bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.ledger.waiting() > 0
}

// nextFrame is what goes now: all that waits where nothing else is under way or somebody waits for it, otherwise a full
// batch, or after the linger whatever there is.
func (p *Publisher) nextFrame(lingered bool) (uint64, []*jetgatev1.PublishRequest) {
	p.lock.Lock()
	defer p.lock.Unlock()
	waiting := p.ledger.waiting()
	isAlone := p.ledger.messages == waiting
	if waiting == 0 {
		p.hurry = false
		return 0, nil
	}
	if !lingered && !p.hurry && !isAlone && waiting < p.config.BatchMessages && p.config.Linger > 0 {
		return 0, nil
	}
	first, frame := p.ledger.take(p.config.BatchMessages, p.config.BatchBytes, time.Now())
	if len(frame) == 0 {
		return 0, nil
	}
	return first, frame
}

// receive takes answers until the stream ends.
func (p *Publisher) receive(stream publishStream, alive *watchdog, draining func()) error {
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
		case *jetgatev1.PublishStreamResponse_Acks:
			p.take(frame.Acks)
		case *jetgatev1.PublishStreamResponse_Draining:
			draining()
		}
	}
}

// take passes answers on to the futures.
func (p *Publisher) take(acks *jetgatev1.PublishAcks) {
	p.lock.Lock()
	defer p.lock.Unlock()
	for _, stored := range acks.Stored {
		result := Result{Stream: stored.Stream, Sequence: stored.FirstSequence, Duplicate: stored.Duplicate}
		if result.Stream == "" {
			result.Stream = p.config.Stream
		}
		for number := stored.FirstNumber; number <= stored.LastNumber; number++ {
			p.resolve(number, result)
			result.Sequence++
		}
	}
	for _, failed := range acks.Failed {
		for number := failed.FirstNumber; number <= failed.LastNumber; number++ {
			if found := p.ledger.answer(number); found != nil {
				found.future.resolve(Result{}, found.failed(failed.Status, p.messageID(number, found)))
			}
		}
	}
	if p.config.Cumulative {
		for number := p.ledger.first; number <= acks.SettledThrough && number < p.ledger.first+uint64(p.ledger.sent); number++ {
			p.resolve(number, Result{Stream: p.config.Stream})
		}
	}
	p.ledger.forget()
	p.announceRoom()
}

func (p *Publisher) resolve(number uint64, result Result) {
	if found := p.ledger.answer(number); found != nil {
		result.MessageID = p.messageID(number, found)
		found.future.resolve(result, nil)
	}
}
