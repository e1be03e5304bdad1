// The console of another machine without TLS, where browsers give a page less: no clipboard, and no ids.

import * as assert from "node:assert/strict";
import { test } from "node:test";
import { Console, FAR, World, eventually, findBrowser, launch } from "./support.js";

const executable = findBrowser();
const patient = { timeoutMs: 60_000 };

test("a console of another machine, without TLS", { skip: !executable && "LEFT OUT: no Chromium", timeout: 300_000 }, async () => {
  const config = { "dead_letters.letters": "DEAD", "dead_letters.advisories": "DEAD_ADVISORIES" };
  await using world = await World.start({ console: true, config });
  await using client = world.connect();
  await client.streams.create({ name: "DIES", subjects: ["dies"] }, patient);
  await client.consumers.create("DIES", { durableName: "billing" }, patient);
  await client.publish("dies", "once", patient);
  const consumer = client.consume("DIES", "billing");
  (await consumer.receive(60_000))!.term("unlucky");
  await consumer.close();
  await eventually(async () => (await client.services.deadLetters.listDeadLetters({}, patient)).letters.length > 0, "the letter");

  await using browser = await launch(executable!);
  await using page = await Console.open(browser, world, "dead-letters", { host: FAR });
  assert.equal(await page.page.evaluate(() => isSecureContext), false);
  await page.row("unlucky").waitFor();
  await page.button("Replay all…").click();
  await page.button("Replay 1").click();
  await page.sees("1 were published.");
  assert.equal((await client.streams.get("DIES", patient)).state!.messages, 2n);
  await page.button("Close").click();

  await page.button("Copy as grpcurl").click();
  await page.sees("Copied.");
  await page.field("Filter Dead letters").focus();
  await page.page.keyboard.press("Control+V");
  assert.match(await page.field("Filter Dead letters").inputValue(), /^grpcurl -plaintext /);
});
