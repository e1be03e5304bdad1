// Carries a trace from a publisher through the stream to a consumer: W3C's traceparent goes along with the call, for the
// gateway's own spans, and the stored message brings it to whoever processes it. The trace is in an AsyncLocalStorage; with
// OpenTelemetry its propagator writes and reads the same header.
//
//   STREAM_NAME=USER_EVENTS CONSUMER_NAME=user-event-processor TRACEPARENT=00-...-01 node tracing.js

import { AsyncLocalStorage } from "node:async_hooks";
import { type Message, connect } from "jetgate";

const trace = new AsyncLocalStorage<string>();
const client = connect(process.env.JETGATE_URL ?? "http://127.0.0.1:50051");

await trace.run(process.env.TRACEPARENT ?? "", async () => {
  const traceparent = trace.getStore()!;
  await client.publish("users.login", "ada", { headers: { traceparent }, metadata: { traceparent } });
  console.log(`published in ${traceparent}`);
});

for await (const message of client.consume(process.env.STREAM_NAME!, process.env.CONSUMER_NAME!)) {
  await trace.run(message.header("traceparent") ?? "", () => work(message));
  break;
}
await client.close();

/** The work, in the trace that its message came with. */
async function work(message: Message): Promise<void> {
  console.log(`${message.text} goes on in ${trace.getStore()}`);
  await message.ack({ confirm: true });
}
