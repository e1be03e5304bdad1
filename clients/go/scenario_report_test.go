package jetgate_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// report is what becomes of each scenario, for the matrix of all clients.
type report struct {
	lock sync.Mutex
	file *os.File
	t    *testing.T
}

func newReport(t *testing.T) *report {
	folder := os.Getenv("JETGATE_SCENARIO_REPORTS")
	if folder == "" {
		folder = "../../target/scenarios"
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(folder, "go.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return &report{file: file, t: t}
}

func (r *report) add(name string, failed bool, took time.Duration) {
	r.lock.Lock()
	defer r.lock.Unlock()
	result := "passed"
	if failed {
		result = "failed"
	}
	line, err := json.Marshal(map[string]any{
		"client": "go", "scenario": name, "result": result, "seconds": took.Seconds(), "detail": "",
	})
	if err == nil {
		_, err = r.file.Write(append(line, '\n'))
	}
	if err != nil {
		r.t.Error(err)
	}
}
