package jetgate_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// world is the real servers of a test: tests/scenarios/world.py starts them and does with them what it is told.
type world struct {
	lock    sync.Mutex
	process *exec.Cmd
	stdin   io.WriteCloser
	stdout  *bufio.Reader
	facts   facts
}

// facts is where the servers are.
type facts struct {
	Gateways []string `json:"gateways"`
	Nats     []string `json:"nats"`
	APIKey   string   `json:"api_key"`
	ShortKey string   `json:"short_key"`

	CAFile      string `json:"ca_file"`
	OtherCAFile string `json:"other_ca_file"`
}

func scenarios(t testing.TB) string {
	t.Helper()
	folder, err := filepath.Abs("../../tests/scenarios")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// startWorld starts servers by the fields of the command `start`; the end of the test ends them.
func startWorld(t testing.TB, fields map[string]any) *world {
	t.Helper()
	for _, name := range []string{"JETGATE_BIN", "JETGATE_TEST_NATS_SERVER"} {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set: make test-go sets it", name)
		}
	}
	process := exec.Command("python3", filepath.Join(scenarios(t), "world.py"))
	process.Stderr = os.Stderr
	stdin, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	w := &world{process: process, stdin: stdin, stdout: bufio.NewReaderSize(stdout, 1<<20)}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = process.Wait()
	})
	command := map[string]any{"do": "start"}
	for name, value := range fields {
		command[name] = value
	}
	answer, err := w.do(command)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answer, &w.facts); err != nil {
		t.Fatal(err)
	}
	return w
}

// do passes a command on and returns the answer.
func (w *world) do(command map[string]any) (json.RawMessage, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	line, err := json.Marshal(command)
	if err != nil {
		return nil, err
	}
	if _, err := w.stdin.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	answer, err := w.stdout.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	var outcome struct {
		Ok    bool   `json:"ok"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(answer, &outcome); err != nil {
		return nil, err
	}
	if !outcome.Ok {
		return nil, errors.New(outcome.Error)
	}
	return answer, nil
}

// token is one of the world's issuer, by the fields of the command.
func (w *world) token(fields map[string]any) (string, error) {
	command := map[string]any{"do": "token"}
	maps.Copy(command, fields)
	answer, err := w.do(command)
	if err != nil {
		return "", err
	}
	var said struct {
		Token string `json:"token"`
	}
	err = json.Unmarshal(answer, &said)
	return said.Token, err
}

func (w *world) mustDo(t testing.TB, command map[string]any) {
	t.Helper()
	if _, err := w.do(command); err != nil {
		t.Fatalf("%v: %v", command, err)
	}
}
