package jetgate_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jetgate/jetgate/clients/go/jetgatev1"
)

// TestReadme runs every snippet of the README as it stands there, but for the addresses: the first is a program, the others
// are functions of one.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(snippets) != 6 {
		t.Fatalf("%d snippets", len(snippets))
	}
	servers := startWorld(t, map[string]any{"gateways": 2})
	client := connect(t, servers)
	ctx := within(t, 2*time.Minute)
	stream := &jetgatev1.StreamConfig{Name: "USER_EVENTS", Subjects: []string{"users.*", "users.*.events"}}
	if _, err := client.CreateStream(ctx, stream); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateConsumer(ctx, "USER_EVENTS", &jetgatev1.ConsumerConfig{DurableName: "user-event-processor"}); err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp(".", "readme-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	authority := certificate(t)
	places := strings.NewReplacer("127.0.0.1:50051", servers.facts.Gateways[0], "gateway-1:50051", servers.facts.Gateways[0],
		"gateway-2:50051", servers.facts.Gateways[1], "/etc/jetgate/ca.crt", authority)
	write(t, filepath.Join(folder, "first", "main.go"), places.Replace(snippets[0][1]))
	program := "package main\n\nimport (\n\t\"context\"\n\t\"errors\"\n\t\"fmt\"\n\t\"io\"\n\t\"os\"\n\t\"time\"\n\n" +
		"\tjetgate \"github.com/jetgate/jetgate/clients/go\"\n\t\"github.com/jetgate/jetgate/clients/go/jetgatev1\"\n)\n"
	for number, snippet := range snippets[1:] {
		program += asFunction(number, places.Replace(snippet[1]))
	}
	program += fmt.Sprintf(mainOfSnippets, servers.facts.Gateways[0])
	write(t, filepath.Join(folder, "others", "main.go"), program)
	if said := runProgram(t, folder, "first"); !strings.Contains(said, "ORDERS 1 false order-1") {
		t.Fatal(said)
	}
	said := runProgram(t, folder, "others")
	for _, part := range []string{"users.login: ", "1 users.login", "STREAM_EXISTS never map["} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is not in %s", part, said)
		}
	}
}

// What a snippet does not declare itself are parameters.
const mainOfSnippets = `
func main() {
	client, err := jetgate.Connect(%q)
	if err != nil {
		panic(err)
	}
	for number, snippet := range []func(context.Context, *jetgate.Client, []byte) error{snippet0, snippet1, snippet2, snippet3, snippet4} {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		restore := func() {}
		if number == 2 { // it consumes until its context ends
			restore = cancelAtOutput(cancel)
		}
		if err := snippet(ctx, client, []byte("{}")); err != nil {
			panic(fmt.Sprint(number, err))
		}
		cancel()
		restore()
	}
	_ = errors.ErrUnsupported
}

// cancelAtOutput calls cancel once something is printed; what it returns brings the program's own output back.
func cancelAtOutput(cancel func()) (restore func()) {
	own := os.Stdout
	reader, writer, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	os.Stdout = writer
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		first := make([]byte, 4096)
		count, _ := reader.Read(first)
		cancel()
		_, _ = own.Write(first[:count])
		_, _ = io.Copy(own, reader)
	}()
	return func() { os.Stdout = own; _ = writer.Close(); <-copied }
}
`

// asFunction makes a function of statements.
func asFunction(number int, statements string) string {
	var before, after string
	for _, declared := range []string{"client", "result"} {
		if strings.Contains(statements, declared+", err :=") {
			after += "_ = " + declared + "\n"
		}
	}
	// The last one's stream exists with other settings.
	if strings.Contains(statements, "result, err :=") || strings.Contains(statements, "client, err :=") {
		after += "if err != nil {\nreturn err\n}\n"
	}
	if !strings.Contains(statements, "return consumer") {
		after += "return nil\n"
	}
	if !strings.Contains(statements, "client, err :=") {
		before = "_ = client\n"
	}
	parameters := "(ctx context.Context, client *jetgate.Client, payload []byte) error {\n"
	if before == "" {
		parameters = "(ctx context.Context, _ *jetgate.Client, payload []byte) error {\n"
	}
	return "\nfunc snippet" + fmt.Sprint(number) + parameters + before + statements + after + "}\n"
}

func runProgram(t *testing.T, folder, name string) string {
	t.Helper()
	output, err := exec.Command("go", "run", "./"+folder+"/"+name).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return string(output)
}

// certificate is the authority of a gateway with TLS.
func certificate(t *testing.T) string {
	t.Helper()
	return startWorld(t, map[string]any{"tls": true}).facts.CAFile
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
