/**
 * Publishes to and consumes from NATS JetStream through a jetgate gateway.
 *
 * <p>A {@link jetgate.client.Client} holds the connections. A {@link jetgate.client.Publisher} sends messages in batches and
 * tells of each what became of it; a {@link jetgate.client.Consumer} receives the messages of a durable consumer and settles
 * them; a {@link jetgate.client.Reader} reads a stream in order. All three outlive the gateways that they talk to.
 *
 * <p>What the gateway offers beyond that is in the generated package {@code jetgate.v1}, whose stubs take
 * {@link jetgate.client.Client#channel()}.
 */
package jetgate.client;
