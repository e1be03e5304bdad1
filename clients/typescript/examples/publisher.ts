// Publishes registrations of users: each event once, however often this program is started.
//
//   STREAM_NAME=USER_EVENTS JETGATE_URL=http://127.0.0.1:50051 node publisher.js

import { connect } from "jetgate";

const stream = process.env.STREAM_NAME ?? "USER_EVENTS";
const client = connect(process.env.JETGATE_URL ?? "http://127.0.0.1:50051");
await client.streams.apply({ name: stream, subjects: ["users.*"], maxAge: 7 * 24 * 3600_000, maxBytes: 1 << 30 });

const publisher = client.publisher({ stream });
const published = [];
for (let userId = 1; userId <= 100; userId++) {
  const event = { user_id: userId, email: `user-${userId}@example.com` };
  // The id is the business event's own, not one of this attempt: whoever starts this program again repeats nothing.
  const messageId = `registration-${userId}`;
  // Whoever processes the event goes on with this trace.
  const traceparent = `00-${crypto.randomUUID().replaceAll("-", "")}-${crypto.randomUUID().slice(-12)}0000-01`;
  if (publisher.full) await publisher.ready();
  published.push(publisher.publish("users.registration", JSON.stringify(event), { messageId, headers: { traceparent } }));
}
const results = await Promise.all(published);
const duplicates = results.filter(({ duplicate }) => duplicate).length;
console.log(`published ${results.length - duplicates} events to ${stream}, ${duplicates} were there already`);
await client.close();
