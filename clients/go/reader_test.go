package jetgate_test

import (
	"errors"
	"io"
	"testing"
	"time"

	jetgate "github.com/jetgate/jetgate/clients/go"
	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// A reader that goes on where messages are gone fails, or where it may goes on and says which.
func TestAReaderTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	client := connect(t, startWorld(t, nil))
	createStream(t, client)
	publish(t, client, 3)
	before, err := read(t, client, jetgate.ReaderConfig{Stream: "USERS", UntilLast: true})
	if err != io.EOF {
		t.Fatal(err)
	}
	publish(t, client, 7)
	purge := &jetgatev1.PurgeStreamRequest{Stream: "USERS", Limit: &jetgatev1.PurgeStreamRequest_UpToSequence{UpToSequence: 8}}
	if _, err := jetgatev1.NewStreamServiceClient(client.Conn()).PurgeStream(within(t, time.Minute), purge); err != nil {
		t.Fatal(err)
	}

	config := jetgate.ReaderConfig{Stream: "USERS", Resume: before.Position(), UntilLast: true}
	var failed *jetgate.Error
	if _, err := read(t, client, config); !errors.As(err, &failed) || failed.Reason != "POSITION_LOST" {
		t.Fatal(err)
	}
	config.ReportGaps = true
	after, err := read(t, client, config)
	if err != io.EOF {
		t.Fatal(err)
	}
	if gaps := after.Gaps(); len(gaps) != 1 || gaps[0].LastSequence != 3 || gaps[0].FirstAvailableSequence != 8 || gaps[0].StreamRecreated {
		t.Fatal(gaps)
	}
}

// read reads to the end, and returns why that is the end.
func read(t *testing.T, client *jetgate.Client, config jetgate.ReaderConfig) (*jetgate.Reader, error) {
	t.Helper()
	ctx := within(t, time.Minute)
	reader, err := client.Read(ctx, config)
	if err != nil {
		return nil, err
	}
	t.Cleanup(reader.Close)
	for {
		if _, err := reader.Next(ctx); err != nil {
			return reader, err
		}
	}
}
