// Connections, credentials and calls: what a program sees of them.

import * as assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { JetgateError, connect } from "jetgate";
import { eachOnce, eventually, rejects, stored } from "./support/assertions.js";
import { World, makeCertificates } from "./support/world.js";

test("where nobody listens, a call fails at its deadline and says that nothing was sent", async () => {
  const client = connect("127.0.0.1:1");
  const begun = Date.now();
  const error = await rejects(client.publish("a", "b", { timeoutMs: 1_000 }), "UNAVAILABLE");
  assert.equal(error.unsent, true);
  assert.match(error.message, /127\.0\.0\.1:1/);
  assert.ok(Date.now() - begun < 20_000);
  await client.close();
});

test("what listens and is no gateway is not taken for one", async () => {
  const server = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const client = connect(`127.0.0.1:${port}`);
  await rejects(client.streams.get("ORDERS", { timeoutMs: 5_000 }), "UNAVAILABLE");
  await client.close();
  server.close();
});

test("a call goes to whichever address answers", async () => {
  await using world = await World.start({ gateways: 2 });
  for (let round = 0; round < 4; round++) {
    const client = connect(["127.0.0.1:1", ...world.gateways]);
    await client.streams.apply({ name: "ORDERS", subjects: ["orders.*"] });
    await client.close();
  }
  await using client = world.connect();
  await client.streams.get("ORDERS");
  for (const gateway of [0, 1]) {
    await world.command({ do: "kill_gateway", gateway });
    await client.publish("orders.new", "x");
    await world.command({ do: "start_gateway", gateway });
  }
});

test("a token is asked for with every call, and a wrong certificate is refused", async () => {
  await using world = await World.start({ tls: true, api_key: true });
  let asked = 0;
  const client = connect(world.gateways, {
    tls: { ca: world.ca, serverName: "localhost" },
    token: () => {
      asked++;
      return Promise.resolve(world.apiKey!);
    },
  });
  await client.streams.create({ name: "ORDERS", subjects: ["orders.*"] });
  await client.publish("orders.new", "x");
  assert.equal(asked, 2);
  await client.close();

  const untrusting = connect(world.gateways, { tls: {}, apiKey: world.apiKey });
  const error = await rejects(untrusting.streams.get("ORDERS", { timeoutMs: 5_000 }), "UNAVAILABLE");
  assert.match(error.message, /certificate/);
  await untrusting.close();
});

test("a gateway that asks for a certificate lets in who shows one", async (context) => {
  const folder = mkdtempSync(path.join(tmpdir(), "jetgate-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const own = makeCertificates(folder);
  await using world = await World.start({ tls: true, config: { "tls.client_ca_file": own.ca } });
  const address = world.gateways[0].replace("127.0.0.1", "localhost");
  const tls = { ca: world.ca, cert: readFileSync(own.cert), key: readFileSync(own.key) };
  // Options of TLS mean TLS, whether the address says so or not.
  for (const target of [`https://${address}`, address]) {
    await using client = connect(target, { tls });
    const { identity } = await client.services.gateway.getInfo({});
    assert.match(identity, /localhost/);
  }
  await using stranger = connect(`https://${address}`, { tls: { ca: world.ca } });
  const refused = await rejects(stranger.services.gateway.getInfo({}, { timeoutMs: 5_000 }), "UNAVAILABLE");
  assert.match(refused.message, /certificate required/);
});

test("an address is a URL or a host and a port", async () => {
  await using world = await World.start();
  for (const target of [`http://${world.gateways[0]}`, `http://${world.gateways[0]}/`, world.gateways[0]]) {
    await using client = connect(target);
    assert.notEqual((await client.services.gateway.getInfo({})).version, "");
  }
});

test("a publish without an answer says that it may be stored, and the same id makes it known", async () => {
  await using world = await World.start();
  await using client = world.connect();
  await client.streams.create({ name: "ORDERS", subjects: ["orders.*"] });
  await client.publish("orders.new", "first");
  await world.command({ do: "pause_gateway" });
  const open = await rejects(client.publish("orders.new", "open", { timeoutMs: 500 }), "PUBLISH_OUTCOME_UNKNOWN");
  assert.deepEqual([open.codeName, open.retry, open.outcomeUnknown], ["DEADLINE_EXCEEDED", "same_id", true]);
  const batch = client.publishBatch([{ subject: "orders.new", payload: "batch", messageId: "b" }], { timeoutMs: 500 });
  await rejects(batch, "PUBLISH_OUTCOME_UNKNOWN");
  const abort = new AbortController();
  const aborted = client.publish("orders.new", "aborted", { messageId: "a", signal: abort.signal });
  setTimeout(() => abort.abort(new Error("enough")), 200);
  const error = await rejects(aborted, "PUBLISH_OUTCOME_UNKNOWN");
  assert.deepEqual([error.codeName, error.metadata.message_id], ["CANCELLED", "a"]);

  // The call is not answered, and no gateway is there afterwards: the last failure alone would say that nothing was sent.
  const lost = client.publish("orders.new", "lost", { timeoutMs: 4_000 });
  await new Promise((resolve) => setTimeout(resolve, 200));
  await world.command({ do: "kill_gateway" });
  const { metadata } = await rejects(lost, "PUBLISH_OUTCOME_UNKNOWN");
  await world.command({ do: "start_gateway" });
  await client.publish("orders.new", "open", { messageId: open.metadata.message_id });
  await client.publish("orders.new", "batch", { messageId: "b" });
  await client.publish("orders.new", "aborted", { messageId: "a" });
  await client.publish("orders.new", "lost", { messageId: metadata.message_id });
  eachOnce(await stored(client, "ORDERS"));
  assert.equal((await client.streams.get("ORDERS")).state?.messages, 5n);
});

test("an aborted call ends at once", async () => {
  await using world = await World.start();
  await using client = world.connect();
  await client.streams.create({ name: "ORDERS", subjects: ["orders.*"] });
  await client.consumers.create("ORDERS", { durableName: "worker" });
  const abort = new AbortController();
  const fetching = client.fetch("ORDERS", "worker", { maxWaitMs: 60_000, signal: abort.signal });
  setTimeout(() => abort.abort(new Error("enough")), 50);
  const error = await rejects(fetching, "CANCELLED");
  assert.equal((error.cause as Error).message, "enough");
  await rejects(client.publish("orders.new", "x", { signal: abort.signal }), "CANCELLED");
});

test("streams and consumers are applied, listed, changed and removed", async () => {
  await using world = await World.start();
  await using client = world.connect();
  const dry = await client.streams.apply({ name: "ORDERS", subjects: ["orders.*"] }, { dryRun: true });
  assert.deepEqual([dry.outcome, dry.current], ["created", undefined]);
  assert.equal((await client.streams.apply({ name: "ORDERS", subjects: ["orders.*"] })).outcome, "created");
  const again = await client.streams.apply({ name: "ORDERS", subjects: ["orders.*"], maxAge: 60_000 });
  assert.equal(again.outcome, "updated");
  assert.ok(again.changes.some(({ field }) => field === "max_age"));
  const updated = await client.streams.update({ name: "ORDERS", maxMsgs: 5 }, { fields: ["max_msgs"], etag: again.current!.etag });
  assert.deepEqual([updated.config?.maxMsgs, updated.config?.maxAge?.seconds], [5n, 60n]);
  await rejects(client.streams.update({ name: "ORDERS" }, { etag: again.current!.etag }), "STALE_ETAG");

  for (let number = 0; number < 105; number++) await client.consumers.create("ORDERS", { durableName: `c-${number}` });
  const names = [];
  for await (const { name } of client.consumers.list("ORDERS")) names.push(name);
  assert.equal(new Set(names).size, 105);

  await client.publishBatch([{ subject: "orders.a" }, { subject: "orders.b", payload: "2" }]);
  const subjects = [];
  for await (const { subject } of client.streams.subjects("ORDERS")) subjects.push(subject);
  assert.deepEqual(subjects, ["orders.a", "orders.b"]);
  await client.streams.deleteMessage("ORDERS", 1);
  assert.equal(await client.streams.purge("ORDERS"), 1n);
  await client.consumers.delete("ORDERS", "c-1");
  await client.streams.delete("ORDERS");
  await rejects(client.streams.get("ORDERS"), "STREAM_NOT_FOUND");
});

test("what the client has no words for is called by its service", async () => {
  await using world = await World.start();
  await using client = world.connect();
  const { services } = client;
  const info = await services.gateway.getInfo({});
  assert.notEqual(info.version, "");
  await client.streams.create({ name: "ORDERS", subjects: ["orders.*"] });
  const consumer = client.consume("ORDERS", {}, { clientName: "billing" });
  await eventually("the session is listed", async () => {
    const { sessions } = await services.gateway.listSessions({ stream: "ORDERS" });
    return sessions.some(({ clientName }) => clientName === "billing");
  });
  await consumer.close();
});

test("a closed client ends what it has opened", async () => {
  await using world = await World.start();
  const client = world.connect();
  await client.streams.create({ name: "ORDERS", subjects: ["orders.*"] });
  await client.consumers.create("ORDERS", { durableName: "worker" });
  const publisher = client.publisher();
  const published = publisher.publish("orders.new", "x");
  const consumer = client.consume("ORDERS", "worker");
  const subscription = client.subscribe("ORDERS", { from: "new" });
  await client.close();
  assert.equal((await published).sequence, 1n);
  assert.equal(await subscription.receive(), undefined);
  await Promise.all([publisher.closed, consumer.closed, subscription.closed]);
  const error = await client.publish("orders.new", "x", { timeoutMs: 300 }).catch((error: unknown) => error);
  assert.ok(error instanceof JetgateError);
});
