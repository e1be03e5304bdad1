// Books each payment once, whatever crashes and however often it is started.
//
// Its publisher names the business event: the payment's own id is the message id, not one of this attempt. Its consumer
// writes the effect and that id in one step, before it acknowledges, and knows by the id what it has booked before. The
// acknowledgement is confirmed: once it returns, JetStream has it. The program ends when nothing has come for five seconds.
//
//   STREAM_NAME=PAYMENTS CONSUMER_NAME=ledger LEDGER=ledger.txt JETGATE_URL=http://127.0.0.1:50051 node exactly_once.js

import { fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { connect } from "jetgate";

const stream = process.env.STREAM_NAME ?? "PAYMENTS";
const name = process.env.CONSUMER_NAME ?? "ledger";
const client = connect(process.env.JETGATE_URL ?? "http://127.0.0.1:50051");
await client.streams.create({ name: stream, subjects: ["payments.*"] });
await client.consumers.create(stream, { durableName: name });

for (const payment of ["payment-1", "payment-2", "payment-3"]) {
  const { duplicate } = await client.publish("payments.received", "100", { messageId: payment });
  console.log(`${payment}: published before: ${duplicate}`);
}

// What would be a database: a line has the effect and the id, and is there as a whole or not at all.
const ledger = openSync(process.env.LEDGER ?? "ledger.txt", "a+");
const booked = new Set(readFileSync(ledger, "utf8").split("\n").map((line) => line.split(" ")[0]));

const consumer = client.consume(stream, name);
for (let message = await consumer.receive(5_000); message; message = await consumer.receive(5_000)) {
  const isNew = !booked.has(message.messageId);
  if (isNew) {
    writeSync(ledger, `${message.messageId} ${message.text}\n`);
    fsyncSync(ledger);
    booked.add(message.messageId);
  }
  await message.ack({ confirm: true });
  console.log(`${message.messageId}: booked before: ${!isNew}`);
}
await client.close();
