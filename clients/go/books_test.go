package jetgate

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// holding is a book with messages of session 1, numbered from 1.
func holding(count uint64) (*settlements, []*Received) {
	book := newSettlements()
	var messages []*Received
	for id := uint64(1); id <= count; id++ {
		message := &Received{session: 1, id: id, token: "t" + string(rune('0'+id%10))}
		book.held[message] = struct{}{}
		messages = append(messages, message)
	}
	return book, messages
}

func ack(book *settlements, message *Received) {
	book.say(word{message: message, kind: jetgatev1.AckKind_ACK_KIND_ACK})
}

func tokens(items []*jetgatev1.Acknowledgement) []string {
	var all []string
	for _, item := range items {
		all = append(all, item.GetAckToken())
	}
	slices.Sort(all)
	return all
}

func TestWhatASessionDidNotAnswerIsSaidAgainByToken(t *testing.T) {
	book, messages := holding(4)
	ack(book, messages[0])
	book.say(word{message: messages[1], kind: jetgatev1.AckKind_ACK_KIND_TERM})
	if frame := book.frame(1); len(frame.Acknowledgements) != 2 || frame.SettleId == 0 {
		t.Fatal(frame)
	}
	book.moved()
	again := book.frame(2)
	if got := tokens(again.Acknowledgements); !slices.Equal(got, []string{"t1", "t2"}) {
		t.Fatal(got)
	}
	book.answered(&jetgatev1.SettleResult{SettleId: again.SettleId})
	book.moved()
	if book.unsaid() != 0 {
		t.Fatal(book.frame(3))
	}
}

func TestMoreTimeIsAskedForByTokenAndForTheSessionThatEndsOnly(t *testing.T) {
	book, messages := holding(3)
	book.say(word{message: messages[0], kind: jetgatev1.AckKind_ACK_KIND_IN_PROGRESS})
	asked := book.frame(1)
	if got := tokens(asked.Acknowledgements); !slices.Equal(got, []string{"t1"}) {
		t.Fatal(got)
	}
	fresh := &jetgatev1.ItemStatus{Metadata: map[string]string{"ack_token": "fresh"}}
	book.answered(&jetgatev1.SettleResult{SettleId: asked.SettleId, Results: []*jetgatev1.ItemStatus{fresh}})
	renewals := book.renewals()
	if got := tokens(renewals[0].Acknowledgements); len(renewals) != 1 || !slices.Equal(got, []string{"fresh", "t2", "t3"}) {
		t.Fatal(got)
	}
	book.moved()
	if book.unsaid() != 0 {
		t.Fatal("renewals are said again")
	}
}

func TestWhatWasSaidAndNotHeardIsLeftAtTheEnd(t *testing.T) {
	book, messages := holding(4)
	ack(book, messages[0])
	book.frame(1)
	ack(book, messages[3])
	book.say(word{message: messages[1], kind: jetgatev1.AckKind_ACK_KIND_NAK, delay: time.Second})
	book.say(word{message: messages[2], kind: jetgatev1.AckKind_ACK_KIND_IN_PROGRESS})
	left := book.left()
	if got := tokens(byTokens(left)); !slices.Equal(got, []string{"t1", "t2", "t4"}) {
		t.Fatal(got)
	}
	if len(book.held) != 0 || len(book.left()) != 0 {
		t.Fatal("something is left")
	}
}

func TestAFrameHasNoMoreItemsThanItMay(t *testing.T) {
	book, messages := holding(2*mostItems + 6)
	for i := 0; i < len(messages); i += 2 { // no two follow one another
		ack(book, messages[i])
	}
	for _, want := range []int{mostItems, 3} {
		if got := len(book.frame(1).GetAcknowledgements()); got != want {
			t.Fatalf("%d items instead of %d", got, want)
		}
	}
}

// Renewals are on time whatever else there is to say, also while the program drains.
func TestTokensAreRenewedInTimeHoweverSteadilyAcknowledgementsFlow(t *testing.T) {
	book, messages := holding(100)
	consumer := &Consumer{book: book, draining: true}
	opened := &jetgatev1.SessionOpened{AckWait: durationpb.New(4 * time.Second), PingWithin: durationpb.New(time.Minute)}
	s := newSpeaking(1, opened)
	now := time.Now()
	s.retire(now)
	renewed := 0
	for i := range 50 {
		ack(book, messages[i])
		frame, _ := consumer.nextFrame(s, now)
		if frame.GetSettle().GetAcknowledgements()[0].Kind == jetgatev1.AckKind_ACK_KIND_IN_PROGRESS {
			renewed++
		}
		now = now.Add(100 * time.Millisecond)
	}
	if renewed != 5 {
		t.Fatalf("renewed %d times in five seconds", renewed)
	}
}

func TestWhatTheStreamMayHaveForgottenIsNotSentAgain(t *testing.T) {
	ledger := newLedger()
	for range 4 {
		ledger.add(&jetgatev1.PublishRequest{}, &Future{}, 1)
	}
	begun := time.Now()
	ledger.take(1, 100, begun)
	ledger.take(2, 100, begun.Add(5*time.Second))
	// Over another stream nothing was sent before it broke, too.
	ledger.rewind()
	ledger.rewind()
	var given []uint64
	give := func(number uint64, _ *entry) { given = append(given, number) }
	ledger.giveUp(func(e *entry) bool { return e.sentAt.After(begun) }, give)
	if !slices.Equal(given, []uint64{1}) {
		t.Fatal(given)
	}
	// What was never sent is always safe.
	ledger.giveUp(func(*entry) bool { return false }, give)
	if !slices.Equal(given, []uint64{1, 2, 3}) || ledger.messages != 1 || ledger.waiting() != 1 {
		t.Fatal(given, ledger.messages)
	}
	if first, frame := ledger.take(10, 100, time.Now()); first != 4 || len(frame) != 1 {
		t.Fatal(first, frame)
	}
}

func TestARefusalDoesNotTakeBackThatAnEarlierAttemptMayHaveStoredTheMessage(t *testing.T) {
	p := &Publisher{ledger: newLedger(), room: make(chan struct{}), producer: "p"}
	var futures [2]Future
	for i := range futures {
		p.ledger.add(&jetgatev1.PublishRequest{}, &futures[i], 1)
	}
	p.ledger.take(1, 100, time.Now())
	p.ledger.rewind()
	p.ledger.take(2, 100, time.Now())
	refused := &jetgatev1.ItemStatus{Code: int32(codes.ResourceExhausted), Reason: jetgatev1.ErrorReason_ERROR_REASON_STREAM_FULL}
	p.take(&jetgatev1.PublishAcks{Failed: []*jetgatev1.PublishFailure{{FirstNumber: 1, LastNumber: 2, Status: refused}}})
	_, again := futures[0].Wait(context.Background())
	_, once := futures[1].Wait(context.Background())
	var failed *Error
	if !OutcomeUnknown(again) || !errors.As(again, &failed) || failed.Metadata["message_id"] != "p:1" {
		t.Fatal(again)
	}
	var cause *Error
	if !errors.As(failed.Unwrap(), &cause) || cause.Reason != "STREAM_FULL" {
		t.Fatal(cause)
	}
	if !errors.As(once, &failed) || failed.Reason != "STREAM_FULL" {
		t.Fatal(once)
	}
}

func TestAReasonThatIsYoungerThanTheClientIsJudgedByItsCode(t *testing.T) {
	for code, want := range map[codes.Code]Retry{
		codes.Unavailable: RetryLater, codes.ResourceExhausted: RetryLater, codes.Aborted: RetryAfterRead, codes.NotFound: RetryNever,
	} {
		if got := (&Error{Code: code, Reason: "OF_TOMORROW"}).Retry(); got != want {
			t.Errorf("%v is %s", code, got)
		}
	}
	err := fromItem(&jetgatev1.ItemStatus{Code: int32(codes.Unavailable), Reason: 9999})
	var failed *Error
	if !errors.As(err, &failed) || failed.Reason != "REASON_9999" || endsForGood(err) {
		t.Error(err)
	}
}

// attemptsOf makes a call whose attempts fail so, the first as if it had reached a gateway.
func attemptsOf(t *testing.T, isRepeatable bool, ends ...codes.Code) error {
	made := 0
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, _, err := attempt(ctx, "id", isRepeatable, func(option grpc.CallOption) (*jetgatev1.PublishResponse, error) {
		if made == 0 {
			option.(grpc.PeerCallOption).PeerAddr.Addr = &net.TCPAddr{}
		} else {
			*option.(grpc.PeerCallOption).PeerAddr = peer.Peer{}
		}
		made++
		return nil, status.Error(ends[made-1], "")
	})
	if made != len(ends) {
		t.Fatalf("%d attempts", made)
	}
	return err
}

func TestLaterAttemptsDoNotTakeBackThatAMessageMayBeStored(t *testing.T) {
	err := attemptsOf(t, true, codes.Unavailable, codes.Unavailable, codes.PermissionDenied)
	var failed *Error
	if !OutcomeUnknown(err) || !errors.As(err, &failed) || failed.Metadata["message_id"] != "id" {
		t.Fatal(err)
	}
	if err := attemptsOf(t, false, codes.Unavailable); !OutcomeUnknown(err) {
		t.Fatal(err)
	}
	if err := attemptsOf(t, true, codes.PermissionDenied); OutcomeUnknown(err) {
		t.Fatal(err)
	}
}
