package jetgate_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme compiles every snippet of the README; the first is a program, and is run.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(snippets) < 6 {
		t.Fatalf("only %d snippets", len(snippets))
	}
	folder, err := os.MkdirTemp(".", "readme-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	for i, snippet := range snippets[1:] {
		write(t, filepath.Join(folder, "snippets", "snippet"+string(rune('a'+i))+".go"), asFunction(i, snippet[1]))
	}
	if output, err := exec.Command("go", "build", "-o", os.DevNull, "./"+folder+"/snippets").CombinedOutput(); err != nil {
		t.Fatalf("%s", output)
	}
	servers := startWorld(t, nil)
	client := connect(t, servers)
	createStream(t, client)
	program := strings.Replace(snippets[0][1], "127.0.0.1:50051", servers.facts.Gateways[0], 1)
	write(t, filepath.Join(folder, "program", "main.go"), program)
	output, err := exec.Command("go", "run", "./"+folder+"/program").CombinedOutput()
	if err != nil || !strings.Contains(string(output), "USERS 1 false") {
		t.Fatalf("%v: %s", err, output)
	}
}

// asFunction wraps statements so that they compile: what they do not declare are parameters.
func asFunction(number int, statements string) string {
	name := string(rune('A' + number))
	imports := []string{`"context"`, `jetgate "github.com/jetgate/jetgate/clients/go"`}
	for use, path := range map[string]string{
		"os.": `"os"`, "fmt.": `"fmt"`, "errors.": `"errors"`, "jetgatev1.": `"github.com/jetgate/jetgate/clients/go/jetgatev1"`,
	} {
		if strings.Contains(statements, use) {
			imports = append(imports, path)
		}
	}
	var before, after string
	if !strings.Contains(statements, "client, err :=") {
		before = "client := new(jetgate.Client)\n_ = client\n"
	}
	if strings.Contains(statements, "Payload: payload") {
		before += "payload := []byte{}\n"
	}
	for _, unused := range []string{"client", "result"} {
		if strings.Contains(statements, unused+", err :=") {
			after += "_ = " + unused + "\n"
		}
	}
	if !strings.HasSuffix(strings.TrimSpace(statements), "})") || !strings.Contains(statements, "return consumer") {
		after += "return nil\n"
	}
	if strings.Contains(statements, "err := client.CreateStream") || strings.Contains(statements, "client, err :=") || strings.Contains(statements, "result, err :=") {
		after = "_ = err\n" + after
	}
	return "package main\n\nimport (\n" + strings.Join(imports, "\n") + "\n)\n\nfunc snippet" + name +
		"(ctx context.Context) error {\n" + before + statements + after + "}\n" + mainOnce(number)
}

func mainOnce(number int) string {
	if number == 0 {
		return "\nfunc main() {}\n"
	}
	return ""
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
