// Processes events of users, several at a time, until it is told to stop (SIGINT, SIGTERM) or has been idle for IDLE_MS.
//
//   STREAM_NAME=USER_EVENTS CONSUMER_NAME=user-event-processor JETGATE_URL=http://127.0.0.1:50051 node consumer.js

import { type Message, connect } from "jetgate";

const stream = process.env.STREAM_NAME ?? "USER_EVENTS";
const name = process.env.CONSUMER_NAME ?? "user-event-processor";
const idleMs = Number(process.env.IDLE_MS ?? 0);
const client = connect(process.env.JETGATE_URL ?? "http://127.0.0.1:50051");
await client.consumers.apply(stream, { durableName: name, filterSubject: "users.*", ackWait: 30_000, maxDeliver: 5 });

const consumer = client.consume(stream, name, { clientName: "example" });
let processed = 0;
let idle: NodeJS.Timeout | undefined;
const stop = () => void consumer.drain();
process.once("SIGINT", stop).once("SIGTERM", stop);

await consumer.run(handle, { concurrency: 8, retryDelayMs: 2_000, onError: (error) => console.error(error) });
clearTimeout(idle);
await client.close();
console.log(`processed ${processed} events`);

async function handle(message: Message): Promise<void> {
  clearTimeout(idle);
  if (idleMs > 0) idle = setTimeout(stop, idleMs);
  let event: { user_id: number };
  try {
    event = message.json();
  } catch {
    return message.term("no JSON"); // no attempt will go better
  }
  console.log(`user ${event.user_id}, attempt ${message.attempt}, trace ${message.header("traceparent") ?? "none"}`);
  // Done in the outside world before this is said; what is repeated after a crash is known by `message.messageId`.
  await message.ack({ confirm: true });
  processed++;
}
