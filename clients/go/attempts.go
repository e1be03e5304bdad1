package jetgate

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
)

// attempt makes a call that publishes, and again while that is safe and may help. An attempt that may have stored something is
// not taken back by later ones that fail: only an answer makes the outcome known.
// wasOpen says of an answer whether one before it may have stored something.
func attempt[R any](ctx context.Context, messageID string, isRepeatable bool, call func(grpc.CallOption) (R, error)) (response R, wasOpen bool, err error) {
	var retries backoff
	var openSince time.Time
	for {
		begun := time.Now()
		var gateway peer.Peer
		response, err := call(grpc.Peer(&gateway))
		if err == nil {
			return response, !openSince.IsZero(), nil
		}
		failed := newError(err)
		isOpen := failed.leavesOpen(gateway.Addr != nil)
		if isOpen && openSince.IsZero() {
			openSince = begun
		}
		mayRepeat := failed.Code == codes.Unavailable && (isRepeatable || !isOpen)
		if !mayRepeat || retries.wait(ctx, failed) != nil || mayBeForgotten(openSince, usualWindow) {
			return response, !openSince.IsZero(), failed.judged(!openSince.IsZero(), messageID)
		}
	}
}

// leavesOpen is whether the gateway may have done what was asked for, for all that this error says.
func (e *Error) leavesOpen(wasReached bool) bool {
	if e.Reason != "" {
		// The gateway itself speaks: nothing was done, unless it says that nobody knows.
		return e.Reason == reasonOutcomeUnknown
	}
	return wasReached && e.Retry() == RetryLater
}

// judged is what all attempts together come to.
func (e *Error) judged(mayBeStored bool, messageID string) error {
	if !mayBeStored || e.Reason == reasonOutcomeUnknown {
		return e
	}
	unknown := outcomeUnknown(e.Error(), messageID)
	unknown.cause = e
	if e.Code == codes.DeadlineExceeded || e.Code == codes.Canceled {
		unknown.Code = e.Code
	}
	return unknown
}
