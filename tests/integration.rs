//! Every test against real servers: a nats-server, the gateway, and clients as anyone would use them.

#![allow(
    clippy::assigning_clones,
    clippy::or_fun_call,
    reason = "tests are written to be read, not to be fast"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::large_futures,
    reason = "a test that cannot go on fails"
)]

// What the tests share.
mod support;
// The fixtures do what the tests rely on.
mod fixtures;
// Publishing one message.
mod publish;
// Publishing while servers of a cluster crash.
mod publish_cluster;
// Messages with conditions that an earlier attempt has made untrue.
mod publish_readback;
// Publishing in fast batches.
mod fast_ingest;
// Publishing several messages in one call.
mod batches;
// Callers that go away while their messages are on their way.
mod publish_abandoned;
// Publish streams.
mod publish_stream;
// Publish streams while servers of a cluster crash.
mod publish_stream_cluster;
// Messages that produce others.
mod schedules;
// Streams: create, get, list, update, delete.
mod streams;
// Consumers: create, get, list, update, delete.
mod consumers;
// Health, reflection, the admin port, and calls that are none.
mod service_surface;
// The binary itself: exit codes, signals, and `jetgate dev`.
mod binary;
// A gateway that may have few files open.
mod open_files;
// JetStream of another account, over an import.
mod api_prefix;
// What `jetgate doctor` finds.
mod doctor;
// The commands for people: what they print, and how they fail.
mod command_line;
// Fetching a batch.
mod fetch;
// How large a fetched batch may become.
mod fetch_sizes;
// Settling deliveries.
mod acknowledge;
// Acknowledgements that cannot be taken.
mod acknowledge_refusals;
// Sessions of durable consumers: what they say and deliver.
mod subscribe;
// Sessions and their callers' windows.
mod subscribe_window;
// How sessions end.
mod subscribe_end;
// Ordered subscriptions.
mod ordered;
// Ordered subscriptions that lose their consumer, server or stream.
mod ordered_faults;
// Consumers of one session.
mod ephemeral;
// Reads that have an end.
mod stop_at;
// Reads that go on in another session.
mod resume;
// Sources, ends and places of a `Consume`.
mod consume_sources;
// Sessions in priority groups.
mod priority;
// Messages that the NATS library cannot receive.
mod malformed;
// Sessions while NATS is away.
mod reconnect;
// Several gateways before one JetStream.
mod two_gateways;
// Sessions of a gateway that shuts down.
mod drain;
// Consuming while servers of a cluster crash.
mod subscribe_cluster;
// The README's tour by the generated clients, and what it promises of several of them.
mod walkthrough;
// The README's own commands, and what the documents name.
mod readme;
// Until when deliveries are to be settled.
mod ack_deadlines;
// Malformed messages where they hurt most.
mod malformed_many;
// Consuming as a NATS user who may not.
mod permissions;
// What streams hold: getting, counting, deleting and purging stored messages.
mod stored_messages;
// Streams that get messages from others and pass them on.
mod stream_sources;
// Pausing, resuming, resetting and unpinning consumers.
mod consumer_control;
// Every setting of streams and consumers.
mod whole_configurations;
// Applying configurations.
mod apply;
// Looking after streams and consumers that have three replicas.
mod maintenance_cluster;
// The list of reasons that errors can have.
mod error_reasons;
// Live sessions: listed and ended, on all replicas.
mod sessions;
// What the account may use, and what going beyond it is called.
mod account_limits;
// Settings of the gateway that no other test would notice.
mod settings;
// Configurations that come back as they were sent.
mod round_trips;
// TLS on the public listener.
mod tls;
// Callers that show certificates: who they are, and what is refused.
mod certificates;
// What the gateway counts.
mod metrics;
// What a receiver of traces sees.
mod traces;
// Calls of pages in browsers.
mod grpc_web;
// The console: its files, and whose pages may call.
mod console;
// Behind the proxies that deployments have.
mod proxies;
// Who may call.
mod auth;
// Callers that show tokens (JWT), and what becomes of their streams.
mod tokens;
// The NATS user that needs the least.
mod least_privilege;
// Attacks on the listener, and who stands by.
mod attacks;
// HTTP/2 itself.
mod http2;
// What hostile calls bring about at NATS.
mod tap;
// How much each caller may take.
mod limits;
// What the gateway holds of messages for all callers together.
mod memory;
// What the audit log tells.
mod audit;
// Who may do what.
mod policy;
// Callers whose calls go to NATS by other logins.
mod tenants;
// Messages that JetStream gives up: their letters, however they die.
mod dead_letters;
// Many sessions at once.
mod scale;
// Consuming with acknowledgements in the stream: its frames and their order.
mod consume;
// Its first frame.
mod consume_opening;
// Its window.
mod consume_window;
// Settling inside of that stream.
mod consume_settle;
// How that stream ends.
mod consume_end;
// What its callers hold while they work, and take along.
mod consume_held;
// That stream while things break.
mod consume_faults;
// While NATS is away.
mod consume_away;
// When its caller is lost.
mod consume_lost;
// Gateways that are restarted one after the other.
mod rolling_restart;
// Many sessions of Consume at once.
mod consume_scale;
