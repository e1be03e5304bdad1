package jetgate_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	jetgate "github.com/jetgate/jetgate/clients/go"
)

// https:// needs no options where the system trusts the gateway's authority, and fails where it does not. SSL_CERT_FILE names
// the system's authorities to Go on Linux.
func TestHTTPSTrustsTheSystemsAuthorities(t *testing.T) {
	t.Parallel()
	servers := startWorld(t, map[string]any{"tls": true})
	createStream(t, connect(t, servers, jetgate.WithCAFile(servers.facts.CAFile)))
	url := "https://" + servers.facts.Gateways[0]
	publisher := build(t, "publisher")
	publish := exec.CommandContext(within(t, time.Minute), publisher)
	publish.Env = append(os.Environ(), "JETGATE_URL="+url, "SSL_CERT_FILE="+servers.facts.CAFile)
	if output, err := publish.CombinedOutput(); err != nil || !strings.HasPrefix(string(output), "published 100 events") {
		t.Fatalf("%v: %s", err, output)
	}
	stranger, err := jetgate.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := stranger.Info(within(t, 30*time.Second)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatal(err)
	}
}
