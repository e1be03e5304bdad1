package jetgate

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// How long acknowledgements wait for others to share their frame.
const ackLinger = 2 * time.Millisecond

// speaking is what a session has to say by the clock.
type speaking struct {
	session               uint64
	pingEvery, renewEvery time.Duration
	pingAt                time.Time
	// renewAt is when fresh tokens are asked for; zero until the gateway is about to end the session.
	renewAt   time.Time
	renewals  []*jetgatev1.SettleFrame
	saidDrain bool
	succession
}

func newSpeaking(session uint64, opened *jetgatev1.SessionOpened) *speaking {
	s := &speaking{session: session, pingEvery: opened.PingWithin.AsDuration() / 3, renewEvery: opened.AckWait.AsDuration() / 4}
	s.pingAt = time.Now().Add(s.pingEvery)
	return s
}

// retire: the gateway is about to end the session. Tokens are renewed at once, as it may end before the next are due.
func (s *speaking) retire(now time.Time) {
	if s.retires {
		return
	}
	s.succession = succession{retires: true, leaveAt: now.Add(lastTokens)}
	if s.renewEvery > 0 {
		s.renewAt = now
	}
}

func (s *speaking) wakeAt() time.Time {
	wake := s.pingAt
	if s.opening != nil {
		return wake
	}
	for _, at := range []time.Time{s.renewAt, s.leaveAt, s.retryAt} {
		if at.After(time.Now()) && at.Before(wake) {
			wake = at
		}
	}
	if !s.renewAt.IsZero() && s.renewAt.Before(wake) {
		return s.renewAt
	}
	return wake
}

// serve says what is to be said until the stream ends, and returns why it did; or the next session, once that has taken over.
func (c *Consumer) serve(ctx context.Context, open *jetgatev1.ConsumeOpen, session *consumeSession) (*consumeSession, error) {
	s := newSpeaking(c.session, session.opened)
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	for {
		select {
		case <-session.retiring:
			s.retire(time.Now())
		default:
		}
		c.moveOn(ctx, open, s)
		frame, isLast := c.nextFrame(s, time.Now())
		if isLast {
			_ = session.stream.CloseSend()
			return c.ended(session, s, <-session.ended)
		}
		if frame != nil {
			if session.stream.Send(frame) != nil {
				return c.ended(session, s, <-session.ended)
			}
			s.pingAt = time.Now().Add(s.pingEvery)
			c.said()
			continue
		}
		wake.Reset(time.Until(s.wakeAt()))
		select {
		case <-c.work:
			if c.isPatient() {
				wake.Reset(ackLinger)
				select {
				case <-wake.C:
				case <-c.work:
				case err := <-session.ended:
					return c.ended(session, s, err)
				}
			}
		case <-wake.C:
		case <-session.retiring:
			s.retire(time.Now())
		case next := <-s.opening:
			if c.goesOver(s, next) {
				session.leave()
				return next.session, nil
			}
		case err := <-session.ended:
			return c.ended(session, s, err)
		}
	}
}

// ended is the end of a session. One that was announced says nothing of the next.
func (c *Consumer) ended(session *consumeSession, s *speaking, err error) (*consumeSession, error) {
	session.end()
	if s.opening != nil {
		if next := <-s.opening; c.goesOver(s, next) {
			return next.session, nil
		}
	}
	if s.retires && err != nil {
		err = &Error{Code: codes.Unavailable, Message: err.Error()}
	}
	return nil, err
}

// nextFrame is what is to be said next; nil where there is nothing, and true at the end of what is said. Tokens are renewed
// on time whatever else there is to say, and while handlers work that a drain waits for. What concerns messages waits while the
// next session is asked to take them over.
func (c *Consumer) nextFrame(s *speaking, now time.Time) (frame *jetgatev1.ConsumeRequest, isLast bool) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if s.opening != nil {
		return s.ping(now), false
	}
	if !s.renewAt.IsZero() && !now.Before(s.renewAt) && !c.closing {
		s.renewAt = now.Add(s.renewEvery)
		s.renewals = c.book.renewals()
	}
	if len(s.renewals) > 0 {
		frame, s.renewals = settling(s.renewals[0]), s.renewals[1:]
		return frame, false
	}
	if settle := c.book.frame(s.session); settle != nil {
		return settling(settle), false
	}
	if c.closing {
		return nil, true
	}
	if c.draining && !s.saidDrain {
		s.saidDrain = true
		return &jetgatev1.ConsumeRequest{Frame: &jetgatev1.ConsumeRequest_Drain{Drain: &jetgatev1.Drain{}}}, false
	}
	return s.ping(now), false
}

func (s *speaking) ping(now time.Time) *jetgatev1.ConsumeRequest {
	if now.Before(s.pingAt) {
		return nil
	}
	return &jetgatev1.ConsumeRequest{Frame: &jetgatev1.ConsumeRequest_Ping{Ping: &jetgatev1.Ping{}}}
}

func settling(frame *jetgatev1.SettleFrame) *jetgatev1.ConsumeRequest {
	return &jetgatev1.ConsumeRequest{Frame: &jetgatev1.ConsumeRequest_Settle{Settle: frame}}
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
