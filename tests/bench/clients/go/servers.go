package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// servers is one nats-server and one gateway, which tests/scenarios/world.py runs.
type servers struct {
	Gateways []string `json:"gateways"`
	Nats     []string `json:"nats"`
	Error    string   `json:"error"`

	process *exec.Cmd
	stdin   io.WriteCloser
}

func startServers() (*servers, error) {
	process := exec.Command("python3", "../../../scenarios/world.py")
	process.Stderr = os.Stderr
	stdin, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	started := &servers{process: process, stdin: stdin}
	if _, err := stdin.Write([]byte("{\"do\": \"start\"}\n")); err != nil {
		return nil, err
	}
	answer, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(answer, started); err != nil {
		return nil, err
	}
	if started.Error != "" {
		return nil, fmt.Errorf("%s", started.Error)
	}
	return started, nil
}

func (s *servers) end() {
	_ = s.stdin.Close()
	_ = s.process.Wait()
}
