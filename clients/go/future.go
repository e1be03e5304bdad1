package jetgate

import (
	"context"
	"sync"
)

// Future is a publish under way.
type Future struct {
	lock   sync.Mutex
	done   chan struct{}
	closed bool
	result Result
	err    error
}

// settled is closed: what Done returns once the outcome is known.
var settled = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Done is closed once the outcome is known.
func (f *Future) Done() <-chan struct{} {
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.closed {
		return settled
	}
	if f.done == nil {
		f.done = make(chan struct{})
	}
	return f.done
}

// Wait returns what became of the message. When ctx ends first, the message is still published.
func (f *Future) Wait(ctx context.Context) (Result, error) {
	select {
	case <-f.Done():
		return f.result, f.err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

func (f *Future) resolve(result Result, err error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.result, f.err, f.closed = result, err, true
	if f.done != nil {
		close(f.done)
	}
}
