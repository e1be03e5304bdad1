package jetgate

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// mostItems is how many items a settle frame or a call of Acknowledge may have.
const mostItems = 10_000

// word is what is said of a message.
type word struct {
	message *Received
	kind    jetgatev1.AckKind
	delay   time.Duration
	reason  string
}

// said is a frame that is not answered.
type said struct {
	acks  []*Received
	words []word
	// before is how many items of the frame come before those of words.
	before int
	// renews: it asks for fresh tokens, which only the session that is about to end can give.
	renews bool
}

// settlements keeps what a consumer holds, what it has yet to say and what it said without an answer. It does no I/O and no
// locking.
type settlements struct {
	// held was handed out, or waits to be, and is not settled.
	held map[*Received]struct{}
	// acks are plain acknowledgements, most of all that is said; words are the rest.
	acks  []*Received
	words []word
	// unanswered has the frames by their settle ids.
	unanswered map[uint64]said
	settleID   uint64
}

func newSettlements() *settlements {
	return &settlements{held: make(map[*Received]struct{}), unanswered: make(map[uint64]said)}
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

// frame says what is unsaid, as much as a frame may have; nil where there is nothing. Deliveries of this session go by
// ranges of their numbers, others by their tokens.
func (s *settlements) frame(session uint64) *jetgatev1.SettleFrame {
	if s.unsaid() == 0 {
		return nil
	}
	var kept said
	kept.acks, s.acks = cut(s.acks, mostItems)
	items := acknowledge(kept.acks, session)
	kept.before = len(items)
	kept.words, s.words = cut(s.words, mostItems-len(items))
	for _, w := range kept.words {
		items = append(items, w.item(session))
	}
	return s.enter(kept, items)
}

// renewals ask for fresh tokens of what is held, while a session comes to its end: the next one takes over only what has
// not expired by its token.
func (s *settlements) renewals() []*jetgatev1.SettleFrame {
	words := make([]word, 0, len(s.held))
	for message := range s.held {
		words = append(words, word{message: message, kind: jetgatev1.AckKind_ACK_KIND_IN_PROGRESS})
	}
	var frames []*jetgatev1.SettleFrame
	for part := range slices.Chunk(words, mostItems) {
		frames = append(frames, s.enter(said{words: part, renews: true}, byTokens(part)))
	}
	return frames
}

func (s *settlements) enter(kept said, items []*jetgatev1.Acknowledgement) *jetgatev1.SettleFrame {
	s.settleID++
	s.unanswered[s.settleID] = kept
	return &jetgatev1.SettleFrame{SettleId: s.settleID, Acknowledgements: items}
}

// answered takes the fresh tokens of an answer.
func (s *settlements) answered(result *jetgatev1.SettleResult) {
	kept := s.unanswered[result.SettleId]
	delete(s.unanswered, result.SettleId)
	for i, w := range kept.words {
		if place := kept.before + i; place < len(result.Results) {
			if token := result.Results[place].Metadata["ack_token"]; token != "" {
				w.message.token = token
			}
		}
	}
}

// moved: the session is over. What it did not answer is said again.
func (s *settlements) moved() {
	for _, kept := range s.unanswered {
		if !kept.renews {
			s.acks = append(s.acks, kept.acks...)
			s.words = append(s.words, kept.words...)
		}
	}
	clear(s.unanswered)
}

// left takes out all that was said and not answered, and lets go of what is held: there will be no other session.
func (s *settlements) left() []word {
	s.moved()
	left := make([]word, 0, s.unsaid())
	for _, message := range s.acks {
		left = append(left, word{message: message, kind: jetgatev1.AckKind_ACK_KIND_ACK})
	}
	for _, w := range s.words {
		if w.kind != jetgatev1.AckKind_ACK_KIND_IN_PROGRESS {
			left = append(left, w)
		}
	}
	s.acks, s.words = nil, nil
	clear(s.held)
	return left
}

// offer is what the next session is asked to take over.
func (s *settlements) offer(most int) []*Received {
	offered := make([]*Received, 0, min(len(s.held), most))
	for message := range s.held {
		if len(offered) == most {
			break
		}
		offered = append(offered, message)
	}
	return offered
}

// adopted takes the answer to an offer by these tokens: new ones, and what the session does not hold.
func (s *settlements) adopted(offered []*Received, by []string, opened *jetgatev1.SessionOpened) (lost []*Received) {
	refused := make(map[string]bool, len(opened.NotHeld))
	for _, token := range opened.NotHeld {
		refused[token] = true
	}
	tokens := opened.Held
	for i, message := range offered {
		if refused[by[i]] {
			lost = append(lost, message)
			delete(s.held, message)
		} else if len(tokens) > 0 {
			message.token, tokens = tokens[0], tokens[1:]
		}
	}
	return lost
}

// acknowledge are the items that acknowledge these messages: whole ranges of those of the session.
func acknowledge(messages []*Received, session uint64) []*jetgatev1.Acknowledgement {
	var items []*jetgatev1.Acknowledgement
	var numbers []uint64
	for _, message := range messages {
		if message.session == session {
			numbers = append(numbers, message.id)
		} else {
			items = append(items, byToken(message, jetgatev1.AckKind_ACK_KIND_ACK))
		}
	}
	slices.Sort(numbers)
	for begin := 0; begin < len(numbers); {
		end := begin + 1
		for end < len(numbers) && numbers[end] == numbers[end-1]+1 {
			end++
		}
		target := &jetgatev1.Acknowledgement_Range{Range: &jetgatev1.DeliveryRange{First: numbers[begin], Last: numbers[end-1]}}
		items = append(items, &jetgatev1.Acknowledgement{Target: target, Kind: jetgatev1.AckKind_ACK_KIND_ACK})
		begin = end
	}
	return items
}

// item is the word as the session of this number takes it. More time is asked for by token: the answer to a range brings no
// fresh one.
func (w word) item(session uint64) *jetgatev1.Acknowledgement {
	item := w.byToken()
	if w.message.session == session && w.kind != jetgatev1.AckKind_ACK_KIND_IN_PROGRESS {
		item.Target = &jetgatev1.Acknowledgement_Range{Range: &jetgatev1.DeliveryRange{First: w.message.id}}
	}
	return item
}

// byToken is the word as any gateway takes it, in a session or outside.
func (w word) byToken() *jetgatev1.Acknowledgement {
	item := byToken(w.message, w.kind)
	if w.delay > 0 {
		item.Delay = durationpb.New(w.delay)
	}
	item.Reason = w.reason
	return item
}

func byTokens(words []word) []*jetgatev1.Acknowledgement {
	items := make([]*jetgatev1.Acknowledgement, len(words))
	for i, w := range words {
		items[i] = w.byToken()
	}
	return items
}

func byToken(message *Received, kind jetgatev1.AckKind) *jetgatev1.Acknowledgement {
	return &jetgatev1.Acknowledgement{Target: &jetgatev1.Acknowledgement_AckToken{AckToken: message.token}, Kind: kind}
}

// cut takes so many from the front.
func cut[T any](all []T, most int) (taken, rest []T) {
	count := min(len(all), most)
	return all[:count:count], all[count:]
}
