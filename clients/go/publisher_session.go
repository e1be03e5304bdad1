package jetgate

import (
	"context"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// How often the gateway is heard of at least; a stream that is silent for three times as long is given up.
const heartbeatInterval = 5 * time.Second

type publishStream = grpc.BidiStreamingClient[jetgatev1.PublishStreamRequest, jetgatev1.PublishStreamResponse]

// run keeps a stream open as long as there is something to send.
func (p *Publisher) run(ctx context.Context) {
	defer close(p.over)
	open := p.config.open(p.client.name)
	remembers := 2 * time.Minute
	var retries backoff
	for {
		select {
		case <-p.work:
			p.wake()
		case <-p.quit:
			return
		}
		opened, err := p.session(ctx, open, &retries)
		if p.isOver() {
			return
		}
		if err != nil && endsForGood(err) {
			p.fail(err)
			return
		}
		if opened != nil && opened.ProducerId != "" {
			open.ProducerId, open.Resume = opened.ProducerId, true
		}
		if opened.GetDuplicateWindow() != nil {
			remembers = opened.DuplicateWindow.AsDuration()
		}
		if opened != nil {
			p.rewind(remembers, err)
		}
		if retries.wait(ctx, err) != nil {
			return
		}
		p.wake()
	}
}

// rewind prepares what is unanswered to be sent again. What has no id, or one that its stream may have forgotten, is given
// up.
func (p *Publisher) rewind(remembers time.Duration, err error) {
	reason := "the stream ended"
	if err != nil {
		reason = err.Error()
	}
	forgotten := time.Now().Add(-remembers * 9 / 10)
	isSafe := func(e *entry) bool {
		return e.sentAt.After(forgotten) && (!p.config.NoMessageIDs || e.request.MessageId != "")
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	p.ledger.rewind(isSafe, func(e *entry) { e.future.resolve(Result{}, outcomeUnknown(reason)) })
	p.announceRoom()
}

func outcomeUnknown(why string) error {
	return &Error{Code: codes.Unavailable, Reason: "PUBLISH_OUTCOME_UNKNOWN", Message: "the message may be stored: " + why}
}

// session is one stream from its opening to its end. What it returns of `opened` is nil where it did not come so far.
func (p *Publisher) session(ctx context.Context, open *jetgatev1.PublishOpen, retries *backoff) (*jetgatev1.PublishOpened, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	alive := newWatchdog(cancel)
	defer alive.stop()
	stream, err := p.client.publisher.PublishStream(ctx)
	if err != nil {
		return nil, fromRPC(err)
	}
	if err := stream.Send(&jetgatev1.PublishStreamRequest{Frame: &jetgatev1.PublishStreamRequest_Open{Open: open}}); err != nil && err != io.EOF {
		return nil, fromRPC(err)
	}
	first, err := stream.Recv()
	if err != nil {
		return nil, alive.explain(fromRPC(err))
	}
	opened := first.GetOpened()
	retries.failures = 0
	ended := make(chan error, 1)
	draining := make(chan struct{})
	go func() {
		ended <- p.receive(stream, opened, alive, draining)
		close(ended)
	}()
	err = p.send(stream, opened.PingWithin.AsDuration()/3, draining, ended)
	if err == nil {
		err = <-ended
	}
	return opened, alive.explain(err)
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
func (p *Publisher) receive(stream publishStream, opened *jetgatev1.PublishOpened, alive *watchdog, draining chan struct{}) error {
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
			p.take(frame.Acks, opened)
		case *jetgatev1.PublishStreamResponse_Draining:
			close(draining)
		}
	}
}

// take passes answers on to the futures.
func (p *Publisher) take(acks *jetgatev1.PublishAcks, opened *jetgatev1.PublishOpened) {
	p.lock.Lock()
	defer p.lock.Unlock()
	for _, stored := range acks.Stored {
		result := Result{Stream: stored.Stream, Sequence: stored.FirstSequence, Duplicate: stored.Duplicate}
		if result.Stream == "" {
			result.Stream = p.config.Stream
		}
		for number := stored.FirstNumber; number <= stored.LastNumber; number++ {
			p.resolve(number, result, opened.ProducerId)
			result.Sequence++
		}
	}
	for _, failed := range acks.Failed {
		for number := failed.FirstNumber; number <= failed.LastNumber; number++ {
			if found := p.ledger.answer(number); found != nil {
				found.future.resolve(Result{}, fromItem(failed.Status))
			}
		}
	}
	if p.config.Cumulative {
		for number := p.ledger.first; number <= acks.SettledThrough && number < p.ledger.first+uint64(p.ledger.sent); number++ {
			p.resolve(number, Result{Stream: p.config.Stream}, opened.ProducerId)
		}
	}
	p.ledger.forget()
	p.announceRoom()
}

func (p *Publisher) resolve(number uint64, result Result, producer string) {
	found := p.ledger.answer(number)
	if found == nil {
		return
	}
	result.MessageID = found.request.MessageId
	if result.MessageID == "" && producer != "" {
		result.MessageID = producedID(producer, number)
	}
	found.future.resolve(result, nil)
}
