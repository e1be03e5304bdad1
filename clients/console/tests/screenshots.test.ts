// The pictures of the README: an installation at work, in light and in dark.

import { statSync } from "node:fs";
import * as assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, DiscardPolicy } from "jetgate";
import { Console, World, findBrowser, launch } from "./support.js";

const executable = findBrowser();
const patient = { timeoutMs: 60_000 };

/** What a repository may hold. */
const LARGEST = 150 * 1024;
/** How many looks make a chart, and the longest time for them: a page rests longer where answers take long. */
const LOOKS = 6;
const LOOKED_MS = 120_000;

test("pictures of an installation at work", { skip: !executable && "LEFT OUT: no Chromium", timeout: 300_000 }, async () => {
  await using world = await World.start({ console: true });
  await using client = world.connect();
  await prepare(client);
  await using _work = atWork(client);
  await using browser = await launch(executable!);
  const shoot = async (name: string, place: string, height: number, colorScheme: "light" | "dark") => {
    await using page = await Console.open(browser, world, place, { colorScheme, viewport: { width: 1100, height } });
    await page.page.waitForFunction(hasCharts, LOOKS, { timeout: LOOKED_MS });
    const file = await page.shoot(`${name}-${colorScheme}`);
    assert.ok(statSync(file).size < LARGEST, `${name} is too large`);
  };
  const schemes = ["light", "dark"] as const;
  await Promise.all([
    ...schemes.map((scheme) => shoot("overview", "", 420, scheme)),
    ...schemes.map((scheme) => shoot("consumer", "consumer/ORDERS/billing", 640, scheme)),
  ]);
});

/** Whether the first chart shows so many looks. Runs in the page. */
function hasCharts(looks: number): boolean {
  const points = document.querySelector("svg.chart polyline")?.getAttribute("points") ?? "";
  return points.split(" ").length >= looks;
}

async function prepare(client: Client): Promise<void> {
  await client.streams.create({ name: "ORDERS", subjects: ["orders.>"], maxBytes: 64 << 20, maxAge: 7 * 86_400_000 }, patient);
  await client.streams.create({ name: "PAYMENTS", subjects: ["payments.*"], maxMsgs: 420, discard: DiscardPolicy.NEW }, patient);
  await client.streams.create({ name: "USER_EVENTS", subjects: ["users.>"] }, patient);
  await client.streams.create({ name: "AUDIT", subjects: ["audit.>"], denyDelete: true }, patient);
  for (const durableName of ["billing", "shipping", "analytics"]) {
    await client.consumers.create("ORDERS", { durableName, maxDeliver: 5, maxAckPending: 500 }, patient);
  }
  await client.consumers.create("PAYMENTS", { durableName: "ledger" }, patient);
  const publisher = client.publisher();
  const each = { orders: 900, payments: 400, users: 250, audit: 60 };
  for (const [subject, count] of Object.entries(each)) {
    for (let number = 1; number <= count; number++) void publisher.publish(`${subject}.new`, JSON.stringify({ number, by: "ada" }));
  }
  await publisher.close();
}

/** Messages that come, a worker that keeps up and one that does not. */
function atWork(client: Client): AsyncDisposable {
  const slow = client.consume("ORDERS", "billing", { maxOutstanding: 64, clientName: "billing-7f9c" });
  const quick = client.consume("ORDERS", "shipping", { clientName: "shipping-1" });
  const timers = [
    setInterval(() => void slow.receive(1).then((message) => message?.ack(), () => undefined), 50),
    setInterval(() => void client.publish("orders.new", "{}").catch(() => undefined), 40),
    setInterval(() => void client.publish("users.login", "{}").catch(() => undefined), 200),
  ];
  void quick.run((message) => message.ack()).catch(() => undefined);
  return {
    [Symbol.asyncDispose]: async () => {
      timers.forEach(clearInterval);
      await Promise.all([slow.close(), quick.close()]);
    },
  };
}
