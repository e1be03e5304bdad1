// Package jetgate publishes to and consumes from NATS JetStream through a jetgate gateway.
//
// A [Client] holds the connections. A [Publisher] sends messages in batches and tells of each what became of it; a
// [Consumer] receives the messages of a durable consumer and settles them; a [Reader] reads a stream in order. All three
// outlive the gateways that they talk to: when one ends, they go on with another.
//
// What the gateway offers beyond that is in the generated package jetgatev1, whose services take [Client.Conn].
package jetgate

//go:generate bash ../../deploy/dev/generate-go.sh
