package jetgate

import (
	"time"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// entry is a message that is not answered.
type entry struct {
	request *jetgatev1.PublishRequest
	future  *Future
	size    int
	// sentAt is when it went out for the first time; zero: never.
	sentAt time.Time
	// isOpen: an earlier stream had it, and ended without an answer.
	isOpen   bool
	answered bool
}

// failed is the error of a message that was refused. Where it was sent before, that may have stored it.
func (e *entry) failed(status *jetgatev1.ItemStatus, messageID string) error {
	return newError(fromItem(status)).judged(e.isOpen, messageID)
}

// ledger keeps the messages of a publisher that are not answered, by their numbers, which follow one another. It does no
// I/O and no locking.
type ledger struct {
	entries []entry
	// first is the number of entries[0].
	first uint64
	// sent is how many of the entries are on their way.
	sent int
	// messages and bytes count what is not answered.
	messages, bytes int
}

func newLedger() *ledger { return &ledger{first: 1} }

func (l *ledger) add(request *jetgatev1.PublishRequest, future *Future, size int) {
	l.entries = append(l.entries, entry{request: request, future: future, size: size})
	l.messages++
	l.bytes += size
}

// waiting is how many messages were not sent yet.
func (l *ledger) waiting() int { return len(l.entries) - l.sent }

// take is the next frame: the number of its first message, and messages up to these limits.
func (l *ledger) take(messages, bytes int, now time.Time) (uint64, []*jetgatev1.PublishRequest) {
	for l.sent < len(l.entries) && l.entries[l.sent].answered {
		l.sent++
	}
	first := l.first + uint64(l.sent)
	var frame []*jetgatev1.PublishRequest
	for l.sent < len(l.entries) && len(frame) < messages {
		next := &l.entries[l.sent]
		if next.answered || (len(frame) > 0 && bytes < next.size) {
			break
		}
		bytes -= next.size
		if next.sentAt.IsZero() {
			next.sentAt = now
		}
		frame = append(frame, next.request)
		l.sent++
	}
	return first, frame
}

// answer takes a message out; nil where it was answered before or never existed.
func (l *ledger) answer(number uint64) *entry {
	if number < l.first || number >= l.first+uint64(l.sent) {
		return nil
	}
	return l.out(number)
}

func (l *ledger) out(number uint64) *entry {
	found := &l.entries[number-l.first]
	if found.answered {
		return nil
	}
	found.answered = true
	l.messages--
	l.bytes -= found.size
	return found
}

// forget drops what is answered at the beginning.
func (l *ledger) forget() {
	count := 0
	for count < len(l.entries) && l.entries[count].answered {
		l.entries[count] = entry{}
		count++
	}
	l.entries = l.entries[count:]
	l.first += uint64(count)
	l.sent = max(0, l.sent-count)
}

// rewind makes everything that is not answered wait to be sent again.
func (l *ledger) rewind() {
	for i := range l.sent {
		l.entries[i].isOpen = true
	}
	l.sent = 0
}

// giveUp takes out what would not be safe to send again, of what went out over any stream. What never did is always safe.
func (l *ledger) giveUp(isSafe func(*entry) bool, with func(uint64, *entry)) {
	for i := range l.entries {
		found := &l.entries[i]
		if found.sentAt.IsZero() {
			break
		}
		if number := l.first + uint64(i); !found.answered && !isSafe(found) {
			with(number, l.out(number))
		}
	}
	l.forget()
}

// fail takes everything out.
func (l *ledger) fail(with func(uint64, *entry)) {
	for i := range l.entries {
		number := l.first + uint64(i)
		if found := l.out(number); found != nil {
			with(number, found)
		}
	}
	l.forget()
}
