package jetgate_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	jetgate "github.com/jetgate/jetgate/clients/go"
)

// step is a step as it is written: the fields of all verbs.
type step struct {
	Do         string   `json:"do"`
	Client     string   `json:"client"`
	Within     *float64 `json:"within"`
	Background string   `json:"background"`
	Error      *failure `json:"error"`

	As                  string             `json:"as"`
	What                string             `json:"what"`
	Gateways            []int              `json:"gateways"`
	APIKey              string             `json:"api_key"`
	CA                  string             `json:"ca"`
	CallTimeout         float64            `json:"call_timeout"`
	Token               map[string]any     `json:"token"`
	Config              config             `json:"config"`
	Stream              string             `json:"stream"`
	Consumer            string             `json:"consumer"`
	Expect              json.RawMessage    `json:"expect"`
	AtLeast             map[string]float64 `json:"at_least"`
	Message             written            `json:"message"`
	Numbers             json.RawMessage    `json:"-"`
	Messages            []written          `json:"-"`
	RawMessages         json.RawMessage    `json:"messages"`
	Results             []json.RawMessage  `json:"results"`
	Subject             string             `json:"subject"`
	Prefix              string             `json:"prefix"`
	Count               int                `json:"count"`
	First               int                `json:"first"`
	PerSecond           float64            `json:"per_second"`
	Publisher           publisher          `json:"publisher"`
	Mode                string             `json:"mode"`
	Ordered             bool               `json:"ordered"`
	FromSequence        uint64             `json:"from_sequence"`
	Resume              string             `json:"resume"`
	MaxOutstanding      int                `json:"max_outstanding"`
	MaxOutstandingBytes int                `json:"max_outstanding_bytes"`
	Lease               *float64           `json:"lease"`
	From                names              `json:"from"`
	NotBefore           float64            `json:"not_before"`
	NothingFor          float64            `json:"nothing_for"`
	Kind                string             `json:"kind"`
	Delay               float64            `json:"delay"`
	Reason              string             `json:"reason"`
	Confirm             bool               `json:"confirm"`
	Settle              string             `json:"settle"`
	InOrder             bool               `json:"in_order"`
	EachOnce            bool               `json:"each_once"`
	Command             map[string]any     `json:"command"`
}

type publisher struct {
	Stream      string `json:"stream"`
	Cumulative  bool   `json:"cumulative"`
	MaxInFlight int    `json:"max_in_flight"`
}

type config struct {
	Name            string   `json:"name"`
	Subjects        []string `json:"subjects"`
	NumReplicas     uint32   `json:"num_replicas"`
	MaxMsgs         *int64   `json:"max_msgs"`
	Discard         string   `json:"discard"`
	DuplicateWindow float64  `json:"duplicate_window"`
	AllowAtomic     bool     `json:"allow_atomic"`
	AllowBatched    bool     `json:"allow_batched"`
	DurableName     string   `json:"durable_name"`
	AckWait         float64  `json:"ack_wait"`
	MaxDeliver      *int64   `json:"max_deliver"`
}

// UnmarshalJSON reads a step; `messages` are numbers with settle, otherwise messages.
func (s *step) UnmarshalJSON(content []byte) error {
	type plain step
	if err := decode(content, (*plain)(s)); err != nil {
		return err
	}
	if s.Do == "settle" {
		s.Numbers = s.RawMessages
		return nil
	}
	return decode(s.RawMessages, &s.Messages)
}

// decode refuses fields that it does not know.
func decode(content []byte, into any) error {
	if len(content) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// names is one name or several.
type names []string

func (n *names) UnmarshalJSON(content []byte) error {
	var one string
	if json.Unmarshal(content, &one) == nil {
		*n = names{one}
		return nil
	}
	return json.Unmarshal(content, (*[]string)(n))
}

// value is text, or bytes that are written as base64.
type value string

func (v *value) UnmarshalJSON(content []byte) error {
	var written struct {
		Base64 string `json:"base64"`
	}
	if json.Unmarshal(content, (*string)(v)) == nil {
		return nil
	}
	if err := decode(content, &written); err != nil {
		return err
	}
	decoded, err := base64.StdEncoding.DecodeString(written.Base64)
	*v = value(decoded)
	return err
}

// pair is a header.
type pair struct{ name, value string }

func (p *pair) UnmarshalJSON(content []byte) error {
	var parts [2]value
	if err := json.Unmarshal(content, &parts); err != nil {
		return err
	}
	p.name, p.value = string(parts[0]), string(parts[1])
	return nil
}

func sorted(pairs []pair) []pair {
	slices.SortStableFunc(pairs, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	return pairs
}

// written is a message to publish.
type written struct {
	Subject   string `json:"subject"`
	Payload   value  `json:"payload"`
	Headers   []pair `json:"headers"`
	MessageID string `json:"message_id"`
	Expect    struct {
		Stream              string  `json:"stream"`
		LastSequence        *uint64 `json:"last_sequence"`
		LastSubjectSequence *uint64 `json:"last_subject_sequence"`
		LastMessageID       string  `json:"last_message_id"`
	} `json:"expect"`
}

func (w written) outgoing() jetgate.Message {
	message := jetgate.Message{
		Subject: w.Subject, Payload: []byte(w.Payload), MessageID: w.MessageID, Expect: jetgate.Expect(w.Expect),
	}
	for _, header := range w.Headers {
		message.Headers = append(message.Headers, jetgate.Header{Name: header.name, Value: header.value})
	}
	return message
}

// failure is an error that is expected.
type failure struct {
	Reason   string            `json:"reason"`
	Code     string            `json:"code"`
	Retry    string            `json:"retry"`
	Metadata map[string]string `json:"metadata"`
	Says     string            `json:"says"`

	Violations []string `json:"violations"`
	RetryDelay *float64 `json:"retry_delay"`
}

func (f failure) check(err error) error {
	var failed *jetgate.Error
	if !errors.As(err, &failed) {
		return fmt.Errorf("%v instead of an error of the gateway", err)
	}
	holds := (f.Reason == "" || f.Reason == failed.Reason) && (f.Retry == "" || f.Retry == string(failed.Retry())) &&
		(f.Code == "" || strings.HasPrefix(err.Error(), "jetgate: "+f.Code))
	holds = holds && strings.Contains(strings.ToLower(failed.Message), f.Says)
	holds = holds && (f.RetryDelay == nil || seconds(*f.RetryDelay) == failed.RetryDelay)
	holds = holds && (f.Violations == nil || slices.Equal(f.Violations, slices.Sorted(maps.Keys(failed.Violations))))
	for name, value := range f.Metadata {
		holds = holds && failed.Metadata[name] == value
	}
	if !holds {
		return fmt.Errorf("%w (%s, %v) instead of %v", err, failed.Retry(), failed.Metadata, f)
	}
	return nil
}

func checkOutcome(result jetgate.Result, err error, expected []json.RawMessage, i int) error {
	var failed struct {
		Error *failure `json:"error"`
	}
	if i < len(expected) && json.Unmarshal(expected[i], &failed) == nil && failed.Error != nil {
		return failed.Error.check(err)
	}
	if err != nil || i >= len(expected) {
		return err
	}
	return checkResult(result, expected[i])
}

func checkResult(result jetgate.Result, expected json.RawMessage) error {
	wanted := struct {
		Stream    *string `json:"stream"`
		Sequence  *uint64 `json:"sequence"`
		Duplicate *bool   `json:"duplicate"`
		MessageID *string `json:"message_id"`
	}{&result.Stream, &result.Sequence, &result.Duplicate, &result.MessageID}
	got := result
	if err := decode(expected, &wanted); err != nil {
		return err
	}
	if got != result {
		return fmt.Errorf("%+v instead of %+v", got, result)
	}
	return nil
}

func checkMessage(message *jetgate.Delivery, expected map[string]json.RawMessage) error {
	var wanted struct {
		text    value
		number  float64
		headers []pair
	}
	for name, content := range expected {
		holds := false
		switch name {
		case "subject", "payload", "message_id":
			if err := json.Unmarshal(content, &wanted.text); err != nil {
				return err
			}
			got := map[string]string{"subject": message.Subject, "payload": string(message.Payload), "message_id": message.MessageID}
			holds = got[name] == string(wanted.text)
		case "sequence", "attempt":
			if err := json.Unmarshal(content, &wanted.number); err != nil {
				return err
			}
			got := map[string]any{"sequence": message.Sequence, "attempt": message.Attempt}
			holds = number(got[name]) == wanted.number
		case "headers":
			if err := json.Unmarshal(content, &wanted.headers); err != nil {
				return err
			}
			var got []pair
			for _, header := range message.Headers {
				got = append(got, pair{header.Name, header.Value})
			}
			holds = slices.Equal(sorted(got), sorted(wanted.headers))
		default:
			return fmt.Errorf("unknown field %s", name)
		}
		if !holds {
			return fmt.Errorf("%+v has not the %s %s", message, name, content)
		}
	}
	return nil
}

// checkAnswer compares an answer of the world with a subset of it.
func checkAnswer(answer, expected json.RawMessage) error {
	var got, wanted map[string]json.RawMessage
	if err := decode(expected, &wanted); err != nil {
		return err
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		return err
	}
	for name, content := range wanted {
		var is, should any
		if name == "headers" {
			var left, right []pair
			if err := errors.Join(json.Unmarshal(got[name], &left), json.Unmarshal(content, &right)); err != nil {
				return err
			}
			is, should = fmt.Sprint(sorted(left)), fmt.Sprint(sorted(right))
		} else if err := errors.Join(json.Unmarshal(got[name], &is), json.Unmarshal(content, &should)); err != nil {
			return err
		}
		if fmt.Sprint(is) != fmt.Sprint(should) {
			return fmt.Errorf("%s is %v instead of %v", name, is, should)
		}
	}
	return nil
}

func number(value any) float64 {
	switch value := value.(type) {
	case uint64:
		return float64(value)
	case int:
		return float64(value)
	default:
		return -1
	}
}
