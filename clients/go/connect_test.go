package jetgate_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	jetgate "github.com/jetgate/jetgate/clients/go"
)

// secured is a configuration of a gateway that shows this certificate.
func secured(shown issued) map[string]any {
	return map[string]any{"tls.cert_file": shown.certificateFile, "tls.key_file": shown.keyFile}
}

// A gateway of IPv6 is reached, and proves who it is, alone and in a list. Where this machine has no IPv6, its IPv4 in the same
// notation has to do.
func TestGatewaysMayHaveAddressesOfIPv6(t *testing.T) {
	t.Parallel()
	host, ip := "[::1]", net.IPv6loopback
	probe, err := net.Listen("tcp", host+":0")
	if err != nil {
		host, ip = "[::ffff:127.0.0.1]", net.IPv4(127, 0, 0, 1)
		probe, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		t.Fatal(err)
	}
	listen := probe.Addr().(*net.TCPAddr)
	_ = probe.Close()
	address := fmt.Sprintf("%s:%d", host, listen.Port)
	trusted := newAuthority(t)
	config := secured(trusted.issue(t, "gateway", ip))
	config["server.listen"] = listen.String()
	startWorld(t, map[string]any{"config": config})
	for _, target := range []string{address, "https://" + address, address + "," + address, "https://" + address + ",https://" + address} {
		client, err := jetgate.Connect(target, jetgate.WithCAFile(trusted.file))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Info(within(t, 30*time.Second)); err != nil {
			t.Errorf("%s: %v", target, err)
		}
		_ = client.Close()
	}
}

// A gateway that asks for certificates lets in whoever has one of its authority, and nobody else.
func TestAClientShowsItsCertificate(t *testing.T) {
	t.Parallel()
	trusted, clients := newAuthority(t), newAuthority(t)
	config := secured(trusted.issue(t, "gateway", net.IPv4(127, 0, 0, 1)))
	config["tls.client_ca_file"] = clients.file
	servers := startWorld(t, map[string]any{"config": config})
	ada := clients.issue(t, "ada")
	known := connect(t, servers, jetgate.WithTLS(&tls.Config{RootCAs: trusted.pool(), Certificates: []tls.Certificate{ada.pair}}))
	if _, err := known.Info(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	unknown := connect(t, servers, jetgate.WithCAFile(trusted.file))
	var failed *jetgate.Error
	if _, err := unknown.Info(within(t, 30*time.Second)); !errors.As(err, &failed) || failed.Code != codes.Unavailable {
		t.Fatal(err)
	}
}

// However long a gateway is away, it is tried again every two seconds or so. gRPC by itself would take two minutes for as
// many tries.
func TestAGatewayThatIsAwayIsTriedAgainSoon(t *testing.T) {
	t.Parallel()
	door := &door{}
	door.isShut.Store(true)
	client, err := jetgate.Connect("127.0.0.1:1", door.option())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx := within(t, 45*time.Second)
	for door.tries.Load() < 10 {
		if ctx.Err() != nil {
			t.Fatalf("%d tries", door.tries.Load())
		}
		_, _ = client.Info(within(t, time.Second))
		time.Sleep(20 * time.Millisecond)
	}
}

// A message beyond what is received ends a consumer and a reader with the reason, instead of being asked for without end.
func TestAMessageThatIsTooLargeEndsWhatReceivesIt(t *testing.T) {
	t.Parallel()
	servers := startWorld(t, nil)
	small := grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(256 << 10))
	client := connect(t, servers, jetgate.WithDialOptions(small))
	createStream(t, client)
	createConsumer(t, client, time.Minute)
	ctx := within(t, time.Minute)
	if _, err := client.Publish(ctx, jetgate.Message{Subject: "users.new", Payload: make([]byte, 512<<10)}); err != nil {
		t.Fatal(err)
	}
	consumer, err := client.Consume(ctx, jetgate.ConsumerConfig{Stream: "USERS", Consumer: "worker"})
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	_, err = consumer.Next(ctx)
	mustBeTooLarge(t, err)
	info, err := client.ConsumerInfo(ctx, "USERS", "worker")
	if err != nil || info.State.Delivered.GetConsumerSequence() != 1 {
		t.Fatalf("%v %v", info, err)
	}
	reader, err := client.Read(ctx, jetgate.ReaderConfig{Stream: "USERS"})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	_, err = reader.Next(ctx)
	mustBeTooLarge(t, err)
}

func mustBeTooLarge(t *testing.T, err error) {
	t.Helper()
	var failed *jetgate.Error
	if !errors.As(err, &failed) || failed.Code != codes.ResourceExhausted || failed.Retry() != jetgate.RetryNever {
		t.Fatal(err)
	}
}
