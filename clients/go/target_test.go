package jetgate

import (
	"crypto/tls"
	"slices"
	"testing"
)

func TestAnAddressIsAURLOrAHostWithItsPort(t *testing.T) {
	for target, want := range map[string][]string{
		"127.0.0.1:50051":                        {"", "127.0.0.1:50051"},
		"http://127.0.0.1:50051":                 {"http", "127.0.0.1:50051"},
		"HTTPS://jetgate.example:443/":           {"https", "jetgate.example:443"},
		" a:1, b:2 ,":                            {"", "a:1", "b:2"},
		"http://a:1,http://b:2":                  {"http", "a:1", "b:2"},
		"https://[2001:db8::1]:1,https://[::]:2": {"https", "[2001:db8::1]:1", "[::]:2"},
		"[::1]:50051,[::1]:50052":                {"", "[::1]:50051", "[::1]:50052"},
	} {
		scheme, addresses, err := parseTarget(target)
		if got := append([]string{scheme}, addresses...); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %q: %v", target, got, err)
		}
	}
	for _, target := range []string{
		"", ",", "jetgate.example", "http://jetgate.example", "https://a:1,b:2", "http://a:1,https://b:2", "a:1,https://b:2",
		"nats://a:4222", "http://a:1/path", "http://a:1?x=y", "http://me@a:1", "http://", "http:///a:1", "a:port", "a:70000",
		"::1:50051", "2001:db8::1,[::1]:2",
	} {
		if _, err := Connect(target); err == nil {
			t.Errorf("%q is an address", target)
		}
	}
}

// Several gateways are called, and asked for their certificates, by the names that a single one is.
func TestGatewaysOfAListHaveTheirOwnNames(t *testing.T) {
	for i, address := range named([]string{"gateway-1:50051", "[2001:db8::1]:50051"}) {
		if want := []string{"gateway-1:50051", "[2001:db8::1]:50051"}[i]; address.Addr != want || address.ServerName != want {
			t.Error(address)
		}
	}
}

func TestASchemeAndTheOptionsMustNotContradictEachOther(t *testing.T) {
	if _, err := Connect("http://127.0.0.1:50051", WithTLS(&tls.Config{})); err == nil {
		t.Error("plain text with options of TLS")
	}
	for target, want := range map[string]string{
		"127.0.0.1:50051": "insecure", "http://127.0.0.1:50051": "insecure", "https://127.0.0.1:50051": "tls",
	} {
		var s settings
		where, err := placeOf(target)
		if err != nil || s.secure(where.scheme) != nil || s.transport.Info().SecurityProtocol != want {
			t.Errorf("%s: %v %v", target, s.transport, err)
		}
	}
	s := settings{}
	if err := WithTLS(&tls.Config{ServerName: "own"})(&s); err != nil {
		t.Fatal(err)
	}
	if err := s.secure("https"); err != nil || s.transport.Info().ServerName != "own" {
		t.Error("https:// replaces the options of TLS", err)
	}
	if where, err := placeOf("dns:///jetgate.example:443"); err != nil || where.target != "dns:///jetgate.example:443" {
		t.Error(where, err)
	}
}
