package jetgate

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// place is where the gateways of a target are.
type place struct {
	// scheme is "http" or "https"; empty where the target leaves that to the options.
	scheme string
	// target is what gRPC dials.
	target string
	// dial has what gRPC has to know for that.
	dial []grpc.DialOption
}

// placeOf reads a target as Connect takes it.
func placeOf(target string) (place, error) {
	if isForGRPC(target) {
		return place{target: target}, nil
	}
	scheme, addresses, err := parseTarget(target)
	if err != nil {
		return place{}, err
	}
	if len(addresses) == 1 {
		return place{scheme: scheme, target: "passthrough:///" + addresses[0]}, nil
	}
	several := manual.NewBuilderWithScheme("jetgate")
	several.InitialState(resolver.State{Addresses: named(addresses)})
	return place{scheme, "jetgate:///gateways", []grpc.DialOption{grpc.WithResolvers(several)}}, nil
}

// named are addresses that are called, and asked for certificates, by their own names.
func named(addresses []string) []resolver.Address {
	list := make([]resolver.Address, len(addresses))
	for i, address := range addresses {
		list[i] = resolver.Address{Addr: address, ServerName: address}
	}
	return list
}

// isForGRPC is whether gRPC itself resolves the target: "dns:///jetgate.example:443".
func isForGRPC(target string) bool {
	scheme, _, found := strings.Cut(target, ":///")
	return found && !isWeb(scheme)
}

func isWeb(scheme string) bool { return scheme == "http" || scheme == "https" }

// parseTarget reads addresses that are separated by commas, and the scheme that all of them have, if they have one.
func parseTarget(target string) (scheme string, addresses []string, err error) {
	for part := range strings.SplitSeq(target, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		own, address, err := parseAddress(part)
		if err != nil {
			return "", nil, err
		}
		if len(addresses) > 0 && own != scheme {
			return "", nil, fmt.Errorf("jetgate: %s: all addresses begin with http://, or all with https://, or none with either", target)
		}
		scheme, addresses = own, append(addresses, address)
	}
	if len(addresses) == 0 {
		return "", nil, errors.New("jetgate: no address of a gateway is given")
	}
	return scheme, addresses, nil
}

// parseAddress reads one address; its scheme is empty where it is host:port alone.
func parseAddress(text string) (scheme, address string, err error) {
	address = text
	if strings.Contains(text, "://") {
		parsed, err := url.Parse(text)
		if err != nil || !isWeb(parsed.Scheme) || !isOriginOnly(parsed) {
			return "", "", malformed(text)
		}
		scheme, address = parsed.Scheme, parsed.Host
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", "", malformed(text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", malformed(text)
	}
	return scheme, address, nil
}

// isOriginOnly is whether a URL says nothing beyond its scheme, host and port.
func isOriginOnly(u *url.URL) bool {
	return u.User == nil && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == ""
}

func malformed(address string) error {
	return fmt.Errorf("jetgate: %q: an address is host:port, http://host:port or https://host:port", address)
}
