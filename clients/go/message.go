package jetgate

import (
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// Header is one header of a message. A name may occur several times.
type Header struct {
	Name, Value string
}

// Message is what is published.
type Message struct {
	// Subject is where it goes.
	Subject string
	// Payload is what it says.
	Payload []byte
	// Headers are told to whoever receives it. Names that begin with "Nats-" are reserved.
	Headers []Header
	// MessageID names the event: a stream stores one message of an id while its duplicate window lasts. Without one the
	// library makes one for its own retries, which does not help a program that publishes the event anew after a crash.
	MessageID string
	// Expect has conditions; where one does not hold, the message is not stored.
	Expect Expect
	// TTL is how long the stream keeps the message; 0 is as long as its own limits say.
	TTL time.Duration
}

// Expect has the conditions of a publish. The zero value has none.
type Expect struct {
	// Stream is the stream that takes the message.
	Stream string
	// LastSequence is the stream's last sequence.
	LastSequence *uint64
	// LastSubjectSequence is the sequence of the last message with this subject; 0 is none.
	LastSubjectSequence *uint64
	// LastMessageID is the id of the stream's last message.
	LastMessageID string
}

// Result says where a message is stored.
type Result struct {
	// Stream took the message.
	Stream string
	// Sequence is the message's place in the stream. 0 where a cumulative publisher did not ask for it.
	Sequence uint64
	// Duplicate is true where the stream had a message of this id already, whose sequence this is.
	Duplicate bool
	// MessageID is the id with which the message was stored.
	MessageID string
}

func (m *Message) request() *jetgatev1.PublishRequest {
	request := &jetgatev1.PublishRequest{
		Subject:   m.Subject,
		Payload:   &jetgatev1.PublishRequest_Data{Data: m.Payload},
		MessageId: m.MessageID,
		Headers:   headersOut(m.Headers),
	}
	if m.TTL > 0 {
		request.Expiry = &jetgatev1.PublishRequest_Ttl{Ttl: durationpb.New(m.TTL)}
	}
	if m.Expect != (Expect{}) {
		request.Expect = &jetgatev1.Expectation{
			Stream:              m.Expect.Stream,
			LastSequence:        m.Expect.LastSequence,
			LastSubjectSequence: m.Expect.LastSubjectSequence,
			LastMessageId:       m.Expect.LastMessageID,
		}
	}
	return request
}

func headersOut(headers []Header) []*jetgatev1.Header {
	if len(headers) == 0 {
		return nil
	}
	out := make([]*jetgatev1.Header, len(headers))
	for i, header := range headers {
		out[i] = &jetgatev1.Header{Name: header.Name, Value: header.Value}
		if !utf8.ValidString(header.Value) {
			out[i].Value, out[i].BinaryValue = "", []byte(header.Value)
		}
	}
	return out
}

func headersIn(headers []*jetgatev1.Header) []Header {
	if len(headers) == 0 {
		return nil
	}
	in := make([]Header, len(headers))
	for i, header := range headers {
		in[i] = Header{Name: header.Name, Value: header.Value}
		if len(header.BinaryValue) > 0 {
			in[i].Value = string(header.BinaryValue)
		}
	}
	return in
}

func newMessageID() string {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.NewString()
	}
	return id.String()
}

func jitter(span time.Duration) time.Duration { return rand.N(span + 1) }
