package jetgate

import (
	"context"
	"time"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// Delivery is a message as it was delivered.
type Delivery struct {
	// Subject is where it was published.
	Subject string
	// Payload is what it says.
	Payload []byte
	// Headers are those that it was published with.
	Headers []Header
	// Stream has the message.
	Stream string
	// Consumer delivered it.
	Consumer string
	// Sequence is its place in the stream.
	Sequence uint64
	// Attempt is 1 for the first delivery by this consumer, 2 for the first repetition, and so on.
	Attempt int
	// MessageID is the id that it was published with; empty without.
	MessageID string
	// PublishedAt is when it was stored.
	PublishedAt time.Time
	// Pending is how many messages waited for the consumer after this one.
	Pending uint64
}

// Received is a message of a consumer, to be settled once: by Ack when it is done, or by one of the others. Settling it
// again does nothing.
type Received struct {
	Delivery

	consumer *Consumer
	// The session that holds it, its number there, and its token; guarded by the consumer's lock.
	session uint64
	id      uint64
	token   string
	settled bool
}

// Ack says that it is done: it is not delivered again. It does not wait: an acknowledgement that is lost with a
// connection brings the message back. Where that must not be, use AckConfirmed.
func (r *Received) Ack() {
	r.consumer.settle(r, word{kind: jetgatev1.AckKind_ACK_KIND_ACK})
}

// AckConfirmed acknowledges and returns once JetStream has it.
func (r *Received) AckConfirmed(ctx context.Context) error { return r.consumer.confirm(ctx, r) }

// Nak says that it is not done: it is delivered again at once.
func (r *Received) Nak() { r.NakDelayed(0) }

// NakDelayed says that it is not done: it is delivered again after this time.
func (r *Received) NakDelayed(delay time.Duration) {
	r.consumer.settle(r, word{kind: jetgatev1.AckKind_ACK_KIND_NAK, delay: delay})
}

// Term says that it is hopeless: it is not delivered again. The reason is for JetStream's advisory and the dead letter.
func (r *Received) Term(reason string) {
	r.consumer.settle(r, word{kind: jetgatev1.AckKind_ACK_KIND_TERM, reason: reason})
}

// InProgress says that it is worked on: the consumer's ack_wait starts anew. Not needed while ConsumerConfig.Lease lasts.
func (r *Received) InProgress() {
	r.consumer.settle(r, word{kind: jetgatev1.AckKind_ACK_KIND_IN_PROGRESS})
}

func delivery(raw *jetgatev1.ReceivedMessage) Delivery {
	payload := raw.GetData()
	if payload == nil {
		payload = []byte(raw.GetText())
	}
	return Delivery{
		Subject:     raw.Subject,
		Payload:     payload,
		Headers:     headersIn(raw.Headers),
		Stream:      raw.Stream,
		Consumer:    raw.Consumer,
		Sequence:    raw.StreamSequence,
		Attempt:     int(raw.DeliveryAttempt),
		MessageID:   raw.MessageId,
		PublishedAt: raw.PublishTime.AsTime(),
		Pending:     raw.Pending,
	}
}
