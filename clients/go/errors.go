package jetgate

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// Retry says whether repeating a failed call may help.
type Retry string

// What Error.Retry can say.
const (
	// RetryUnspecified says nothing.
	RetryUnspecified Retry = "unspecified"
	// RetryNever: the same request fails again.
	RetryNever Retry = "never"
	// RetryLater: the same request may succeed later; wait at least Error.RetryDelay.
	RetryLater Retry = "later"
	// RetrySameID: safe only with the same message id, inside the stream's duplicate window.
	RetrySameID Retry = "same_id"
	// RetryAfterRead: read the current state first, then decide.
	RetryAfterRead Retry = "after_read"
)

// ErrClosed is returned by what was closed.
var ErrClosed = errors.New("jetgate: closed")

// Error says why a call, or one message of it, failed. Programs branch on Reason, never on Message:
//
//	var failed *jetgate.Error
//	if errors.As(err, &failed) && failed.Reason == "STREAM_NOT_FOUND" { ... }
type Error struct {
	// Code is the gRPC status.
	Code codes.Code
	// Reason is one of jetgatev1.ErrorReason without its prefix, "STREAM_NOT_FOUND" for example. Empty where the
	// gateway was not reached.
	Reason string
	// Message is for people.
	Message string
	// Metadata has facts that belong to the reason.
	Metadata map[string]string
	// Violations says what is wrong with which field of the request.
	Violations map[string]string
	// RetryDelay is how long to wait before a retry, where the gateway says so.
	RetryDelay time.Duration
	// cause is what the last attempt said, where that does not tell the outcome.
	cause error
}

// Error is for people.
func (e *Error) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("jetgate: %s: %s", codeName(e.Code), e.Message)
	}
	return fmt.Sprintf("jetgate: %s %s: %s", codeName(e.Code), e.Reason, e.Message)
}

// Unwrap is what the last attempt said, where the outcome of all of them is unknown.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus lets status.Code and status.FromError understand the error.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Message) }

// Retry says whether repeating the call may help.
func (e *Error) Retry() Retry {
	if e.Reason != "" {
		return e.retryOfReason()
	}
	if e.isTooLarge() {
		return RetryNever
	}
	switch e.Code {
	case codes.Unavailable, codes.Canceled, codes.Unknown, codes.Internal, codes.DeadlineExceeded:
		return RetryLater
	default:
		return RetryUnspecified
	}
}

// isTooLarge is whether gRPC itself did not take a message, or did not send it, for its size. It has no code of its own for
// that.
func (e *Error) isTooLarge() bool {
	return e.Reason == "" && e.Code == codes.ResourceExhausted && strings.Contains(e.Message, "larger than max")
}

// OutcomeUnknown is whether a publish that failed may have been stored: repeat it with the same message id.
func OutcomeUnknown(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && failed.Reason == reasonOutcomeUnknown
}

// retryOfReason reads the retryability that the contract states for a reason; one that is younger than this library is
// judged by its code.
func (e *Error) retryOfReason() Retry {
	number, known := jetgatev1.ErrorReason_value[reasonPrefix+e.Reason]
	if !known {
		return retryOfCode(e.Code)
	}
	value := jetgatev1.ErrorReason(number).Descriptor().Values().ByNumber(jetgatev1.ErrorReason(number).Number())
	options, _ := proto.GetExtension(value.Options(), jetgatev1.E_Reason).(*jetgatev1.ReasonOptions)
	name := strings.TrimPrefix(strings.TrimPrefix(options.GetRetry().String(), "RETRY_"), "WITH_")
	return Retry(strings.ToLower(name))
}

// retryOfCode is what a gateway means by a code, whatever its reason is.
func retryOfCode(code codes.Code) Retry {
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		return RetryLater
	case codes.Aborted:
		return RetryAfterRead
	default:
		return RetryNever
	}
}

const (
	reasonPrefix         = "ERROR_REASON_"
	reasonOutcomeUnknown = "PUBLISH_OUTCOME_UNKNOWN"
)

// outcomeUnknown is the error of a message that was sent, and whose answer is lost.
func outcomeUnknown(why string, messageID string) *Error {
	failed := &Error{Code: codes.Unavailable, Reason: reasonOutcomeUnknown, Message: "the message may be stored: " + why}
	if messageID != "" {
		failed.Metadata = map[string]string{"message_id": messageID}
	}
	return failed
}

// fromRPC turns the error of a call into an *Error with its details.
func fromRPC(err error) error {
	if err == nil {
		return nil
	}
	return newError(err)
}

func newError(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	reported := status.Convert(err)
	failed := &Error{Code: reported.Code(), Message: reported.Message()}
	for _, detail := range reported.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			failed.Reason, failed.Metadata = detail.Reason, detail.Metadata
		case *errdetails.RetryInfo:
			failed.RetryDelay = detail.RetryDelay.AsDuration()
		case *errdetails.BadRequest:
			failed.Violations = make(map[string]string, len(detail.FieldViolations))
			for _, violation := range detail.FieldViolations {
				failed.Violations[violation.Field] = violation.Description
			}
		}
	}
	return failed
}

// fromItem turns the status of one item into an error; nil where it went well.
func fromItem(item *jetgatev1.ItemStatus) error {
	if item.GetCode() == 0 {
		return nil
	}
	return &Error{
		Code:     codes.Code(item.Code),
		Reason:   reasonName(item.Reason),
		Message:  item.Message,
		Metadata: item.Metadata,
	}
}

// reasonName is the reason's word; one that is younger than this library has its number only.
func reasonName(reason jetgatev1.ErrorReason) string {
	if reason == jetgatev1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		return ""
	}
	if name, known := jetgatev1.ErrorReason_name[int32(reason)]; known {
		return strings.TrimPrefix(name, reasonPrefix)
	}
	return fmt.Sprintf("REASON_%d", reason)
}

// codeName is the status as the gRPC documentation writes it: NOT_FOUND.
func codeName(code codes.Code) string {
	if name, known := codeNames[code]; known {
		return name
	}
	return "UNKNOWN"
}

var codeNames = map[codes.Code]string{
	codes.OK: "OK", codes.Canceled: "CANCELLED", codes.Unknown: "UNKNOWN", codes.InvalidArgument: "INVALID_ARGUMENT",
	codes.DeadlineExceeded: "DEADLINE_EXCEEDED", codes.NotFound: "NOT_FOUND", codes.AlreadyExists: "ALREADY_EXISTS",
	codes.PermissionDenied: "PERMISSION_DENIED", codes.ResourceExhausted: "RESOURCE_EXHAUSTED",
	codes.FailedPrecondition: "FAILED_PRECONDITION", codes.Aborted: "ABORTED", codes.OutOfRange: "OUT_OF_RANGE",
	codes.Unimplemented: "UNIMPLEMENTED", codes.Internal: "INTERNAL", codes.Unavailable: "UNAVAILABLE",
	codes.DataLoss: "DATA_LOSS", codes.Unauthenticated: "UNAUTHENTICATED",
}

// endsForGood is whether a stream that ended with this error would end so again.
func endsForGood(err error) bool {
	var failed *Error
	if !errors.As(err, &failed) {
		return false
	}
	if failed.Reason == "" {
		return failed.Code == codes.Unimplemented || failed.Code == codes.Unauthenticated || failed.Code == codes.PermissionDenied ||
			failed.isTooLarge()
	}
	return failed.Retry() != RetryLater
}
