package jetgate

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// word is what is said of a message.
type word struct {
	message *Received
	kind    jetgatev1.AckKind
	delay   time.Duration
	reason  string
}

// settlements keeps what a consumer holds and what it has yet to say. It does no I/O and no locking.
type settlements struct {
	// held was handed out, or waits to be, and is not settled.
	held map[*Received]struct{}
	// acks are plain acknowledgements, most of all that is said; words are the rest.
	acks  []*Received
	words []word
	// renewing has the renewals that are not answered, by their settle id.
	renewing map[uint64][]*Received
	settleID uint64
}

func newSettlements() *settlements {
	return &settlements{held: make(map[*Received]struct{}), renewing: make(map[uint64][]*Received)}
}

// say takes a word; false where the message was settled before.
func (s *settlements) say(w word) bool {
	if w.message.settled {
		return false
	}
	if w.kind == jetgatev1.AckKind_ACK_KIND_IN_PROGRESS {
		s.words = append(s.words, w)
		return true
	}
	s.settled(w.message)
	if w.kind == jetgatev1.AckKind_ACK_KIND_ACK {
		s.acks = append(s.acks, w.message)
	} else {
		s.words = append(s.words, w)
	}
	return true
}

func (s *settlements) settled(message *Received) {
	message.settled = true
	delete(s.held, message)
}

func (s *settlements) unsaid() int { return len(s.acks) + len(s.words) }

// frame says everything that is unsaid; nil where there is nothing. Deliveries of this session go by ranges of their
// numbers, others by their tokens.
func (s *settlements) frame(session uint64) *jetgatev1.SettleFrame {
	if s.unsaid() == 0 {
		return nil
	}
	frame := &jetgatev1.SettleFrame{}
	var numbers []uint64
	for _, message := range s.acks {
		if message.session == session {
			numbers = append(numbers, message.id)
		} else {
			frame.Acknowledgements = append(frame.Acknowledgements, byToken(message, jetgatev1.AckKind_ACK_KIND_ACK))
		}
	}
	slices.Sort(numbers)
	for begin := 0; begin < len(numbers); {
		end := begin + 1
		for end < len(numbers) && numbers[end] == numbers[end-1]+1 {
			end++
		}
		target := &jetgatev1.Acknowledgement_Range{Range: &jetgatev1.DeliveryRange{First: numbers[begin], Last: numbers[end-1]}}
		frame.Acknowledgements = append(frame.Acknowledgements,
			&jetgatev1.Acknowledgement{Target: target, Kind: jetgatev1.AckKind_ACK_KIND_ACK})
		begin = end
	}
	for _, w := range s.words {
		item := byToken(w.message, w.kind)
		if w.message.session == session {
			item.Target = &jetgatev1.Acknowledgement_Range{Range: &jetgatev1.DeliveryRange{First: w.message.id}}
		}
		if w.delay > 0 {
			item.Delay = durationpb.New(w.delay)
		}
		item.Reason = w.reason
		frame.Acknowledgements = append(frame.Acknowledgements, item)
	}
	s.acks, s.words = s.acks[:0], nil
	return frame
}

// renewals asks for fresh tokens of what is held, while a session comes to its end: the next one takes over only what has
// not expired by its token.
func (s *settlements) renewals() *jetgatev1.SettleFrame {
	if len(s.held) == 0 {
		return nil
	}
	s.settleID++
	frame := &jetgatev1.SettleFrame{SettleId: s.settleID}
	for message := range s.held {
		frame.Acknowledgements = append(frame.Acknowledgements, byToken(message, jetgatev1.AckKind_ACK_KIND_IN_PROGRESS))
		s.renewing[s.settleID] = append(s.renewing[s.settleID], message)
	}
	return frame
}

// answered takes the renewed tokens of an answer, and returns what failed.
func (s *settlements) answered(result *jetgatev1.SettleResult) []error {
	renewed := s.renewing[result.SettleId]
	delete(s.renewing, result.SettleId)
	var failures []error
	for i, item := range result.Results {
		if err := fromItem(item); err != nil {
			failures = append(failures, err)
		} else if token := item.Metadata["ack_token"]; token != "" && i < len(renewed) {
			renewed[i].token = token
		}
	}
	return failures
}

// offer is what the next session is asked to take over.
func (s *settlements) offer(most int) []*Received {
	clear(s.renewing)
	offered := make([]*Received, 0, min(len(s.held), most))
	for message := range s.held {
		if len(offered) == most {
			break
		}
		offered = append(offered, message)
	}
	return offered
}

// adopted takes the answer to an offer: new tokens, and what the session does not hold.
func (s *settlements) adopted(offered []*Received, opened *jetgatev1.SessionOpened) (lost []*Received) {
	refused := make(map[string]bool, len(opened.NotHeld))
	for _, token := range opened.NotHeld {
		refused[token] = true
	}
	tokens := opened.Held
	for _, message := range offered {
		if refused[message.token] {
			lost = append(lost, message)
			delete(s.held, message)
		} else if len(tokens) > 0 {
			message.token, tokens = tokens[0], tokens[1:]
		}
	}
	return lost
}

func byToken(message *Received, kind jetgatev1.AckKind) *jetgatev1.Acknowledgement {
	return &jetgatev1.Acknowledgement{Target: &jetgatev1.Acknowledgement_AckToken{AckToken: message.token}, Kind: kind}
}
