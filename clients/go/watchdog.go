package jetgate

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
)

// watchdog ends a stream on which nothing is heard any more: a connection that was cut without a word.
type watchdog struct {
	timer *time.Timer
	barks atomic.Bool
}

func newWatchdog(end context.CancelFunc) *watchdog {
	w := &watchdog{}
	w.timer = time.AfterFunc(3*heartbeatInterval, func() {
		w.barks.Store(true)
		end()
	})
	return w
}

func (w *watchdog) heard() { w.timer.Reset(3 * heartbeatInterval) }

func (w *watchdog) stop() { w.timer.Stop() }

// explain is why the stream ended.
func (w *watchdog) explain(err error) error {
	if w.barks.Load() {
		return &Error{Code: codes.Unavailable, Message: "the gateway is silent"}
	}
	return err
}
