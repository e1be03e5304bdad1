package jetgate

import (
	"context"
	"time"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// How long the gateway may take to answer what was said before the next session is opened all the same.
const lastTokens = 2 * time.Second

// succession is how a session that its gateway is about to end is followed by the next one, while handlers still work on
// what it delivered.
type succession struct {
	// retires: the gateway has announced the end.
	retires bool
	// leaveAt is when the next session is opened whether or not everything is answered; retryAt, when again.
	leaveAt, retryAt time.Time
	retries          backoff
	// opening has the next session once it is open or cannot be; nil where none is being opened.
	opening chan opening
}

type opening struct {
	session *consumeSession
	err     error
}

// moveOn opens the next session beside one that comes to its end, once what was said is answered and the tokens are fresh.
func (c *Consumer) moveOn(ctx context.Context, open *jetgatev1.ConsumeOpen, s *speaking) {
	if !s.retires || s.opening != nil || !c.isReadyToMove(s, time.Now()) {
		return
	}
	offered := c.offer(open)
	// Tokens that have expired meanwhile would not be taken over: then it is tried again with fresh ones.
	dialling, cancel := context.WithCancel(ctx)
	var late *time.Timer
	if s.renewEvery > 0 && len(offered) > 0 {
		late = time.AfterFunc(2*s.renewEvery, cancel)
	}
	s.opening = make(chan opening, 1)
	go func(opened chan<- opening) {
		session, err := c.dial(dialling, open, offered)
		if late != nil && !late.Stop() && err == nil {
			session.end()
			session, err = nil, dialling.Err()
		}
		if session == nil {
			cancel()
		} else {
			end := session.cancel
			session.cancel = func() { end(); cancel() }
		}
		opened <- opening{session, err}
	}(s.opening)
}

func (c *Consumer) isReadyToMove(s *speaking, now time.Time) bool {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.draining || now.Before(s.retryAt) {
		return false
	}
	areTokensFresh := s.renewEvery == 0 || (len(s.renewals) == 0 && now.Before(s.renewAt))
	hasSaidAll := c.book.unsaid() == 0 && len(c.book.unanswered) == 0
	return areTokensFresh && (hasSaidAll || !now.Before(s.leaveAt))
}

// goesOver is whether the next session is open: then it has everything. Otherwise it is tried again after a while.
func (c *Consumer) goesOver(s *speaking, next opening) bool {
	s.opening = nil
	if next.err == nil {
		c.begin(next.session)
		return true
	}
	s.retryAt = time.Now().Add(s.retries.next(next.err))
	return false
}
