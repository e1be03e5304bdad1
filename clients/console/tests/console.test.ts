// The console in a real browser, from a real gateway beside a real nats-server.

import * as assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Client, Consumer } from "jetgate";
import type { Browser } from "playwright-core";
import { Console, World, eventually, findBrowser, launch } from "./support.js";

const executable = findBrowser();
if (!executable) console.error("LEFT OUT: the tests of the console, as no Chromium is found or can be installed");

/** Browsers of tests run on busy machines. */
const patient = { timeoutMs: 60_000 };

describe("the console", { skip: !executable && "LEFT OUT: no Chromium", timeout: 300_000 }, () => {
  let browser: Browser;
  let world: World;
  let client: Client;
  let slow: Consumer;

  before(async () => {
    const config = { "dead_letters.letters": "DEAD", "dead_letters.advisories": "DEAD_ADVISORIES" };
    [browser, world] = await Promise.all([launch(executable!), World.start({ console: true, config })]);
    client = world.connect();
    // A worker that settles nothing.
    await stream("SLOW", 20);
    slow = client.consume("SLOW", "billing", { maxOutstanding: 5, clientName: "slow-worker" });
    await slow.receive(60_000);
  });

  after(async () => {
    await slow?.close();
    await client?.close();
    await browser?.close();
    await world?.close();
  });

  /** A stream with a consumer and some messages. */
  async function stream(name: string, messages = 3): Promise<void> {
    const subject = name.toLowerCase();
    await client.streams.create({ name, subjects: [`${subject}.>`], maxAge: 86_400_000, maxBytes: 1 << 20 }, patient);
    await client.consumers.create(name, { durableName: "billing", maxAckPending: 100 }, patient);
    for (let number = 1; number <= messages; number++) {
      const payload = JSON.stringify({ order: number, city: "Köln" });
      await client.publish(`${subject}.new`, payload, { headers: { Source: "shop" }, ...patient });
    }
  }

  test("the overview shows streams and consumers, sorts and filters them", async () => {
    await stream("OVER_A", 2);
    await stream("OVER_B", 5);
    await using page = await Console.open(browser, world);

    await page.field("Filter Streams").fill("OVER_");
    await page.row("OVER_A").getByText("2", { exact: true }).waitFor();
    await page.sees(/nats-server|n0 2\./);
    const names = () => page.page.getByRole("link", { name: /^OVER_/ }).allInnerTexts();
    assert.deepEqual(await names(), ["OVER_A", "OVER_B"]);

    // By keyboard: the heading is a button.
    await page.button("Messages").focus();
    await page.page.keyboard.press("Enter");
    assert.deepEqual(await names(), ["OVER_B", "OVER_A"]);
    const heading = page.page.getByRole("columnheader", { name: "Messages" });
    assert.equal(await heading.getAttribute("aria-sort"), "descending");

    await client.publish("over_a.new", "one more", patient);
    await page.row("OVER_A").getByText("3", { exact: true }).waitFor();

    await page.page.getByRole("link", { name: "Consumers" }).click();
    await page.field("Filter Consumers").fill("OVER_B");
    await page.row("billing").getByText("5", { exact: true }).waitFor();
  });

  test("a stream's configuration says what differs from the defaults", async () => {
    await stream("CONF");
    await using page = await Console.open(browser, world, "stream/CONF/configuration");

    assert.match(await page.row("max_age").innerText(), /86400s\s+not set/);
    assert.equal(await page.row("retention").getAttribute("class"), null);
    await page.button("Copy as grpcurl").click();
    await page.sees("Copied.");
    const command = `grpcurl -plaintext -d '{"stream":"CONF"}' ${world.consoles[0]} jetgate.v1.StreamService/GetStream`;
    assert.equal(await page.copied(), command);

    await page.page.getByRole("link", { name: "Subjects" }).click();
    await page.row("conf.new").getByText("3", { exact: true }).waitFor();
  });

  test("messages are found by sequence, subject and time, and shown as JSON, text and bytes", async () => {
    await stream("BROWSE", 60);
    await client.publish("browse.other", new Uint8Array([0, 1, 254, 255]), patient);
    await using page = await Console.open(browser, world, "stream/BROWSE");
    const sequences = async () => {
      const names = await page.page.getByRole("button", { name: /^Look at message/ }).allInnerTexts();
      return names.map((name) => name.replace(/\D/g, ""));
    };

    await page.row("browse.other").waitFor();
    await page.button("Copy as grpcurl").click();
    await eventually(async () => (await page.copied()).includes('"optStartSeq":"12"'), "the command");
    assert.equal((await sequences())[0], "61");
    await page.button("Before 12").click();
    await eventually(async () => (await sequences())[0] === "11", "the messages before");

    await page.field("From").selectOption("sequence");
    await page.page.getByRole("textbox", { name: "Sequence" }).fill("58");
    await page.button(/^Look$/).click();
    await eventually(async () => (await sequences()).join() === "58,59,60,61", "the messages from 58 on");

    await page.field("From").selectOption("last per subject");
    await page.button(/^Look$/).click();
    await eventually(async () => (await sequences()).join() === "60,61", "the last of each subject");

    await page.field("From").selectOption("newest");
    await page.page.getByRole("textbox", { name: "Subject" }).fill("browse.other");
    await page.button(/^Look$/).click();
    await eventually(async () => (await sequences()).join() === "61", "the one of the subject");
    await page.button(/message 61$/).click();
    await page.sees("00000000  00 01 fe ff");
    await page.page.keyboard.press("Escape");

    await page.field("From").selectOption("time");
    await page.page.locator("input[name=place]").fill("2020-01-01T00:00:00");
    await page.page.getByRole("textbox", { name: "Subject" }).fill("");
    await page.button(/^Look$/).click();
    await eventually(async () => (await sequences())[0] === "1", "the messages since then");
    await page.button(/message 1$/).click();
    await page.sees(/"city": "Köln"/);
    await page.row("Source").getByText("shop").waitFor();
    await page.button("Copy payload").click();
    await eventually(async () => (await page.copied()).includes(`"order": 1`), "the copy");
  });

  test("a live tail shows what another client publishes", async () => {
    await stream("LIVE", 1);
    await using page = await Console.open(browser, world, "stream/LIVE/live");
    await page.field("Subject").fill("live.wanted");
    // The read begins behind what is there: until it has begun, what is published is not seen.
    const publish = () => world.command({ do: "nats_publish", subject: "live.wanted", payload: "from elsewhere" });
    await eventually(async () => {
      await publish();
      return (await page.row("from elsewhere").count()) > 0;
    }, "the first message");

    await world.command({ do: "nats_publish", subject: "live.other", payload: "not asked for" });
    for (let number = 0; number < 50; number++) {
      await world.command({ do: "nats_publish", subject: "live.wanted", payload: `tail ${number}` });
    }
    await page.row("tail 49").waitFor();
    assert.equal(await page.row("not asked for").count(), 0);

    await page.button("Pause").click();
    await page.sees("Paused");
  });

  test("a message is published by hand, once that is confirmed", async () => {
    await stream("HAND", 0);
    await using page = await Console.open(browser, world, "stream/HAND/publish");
    await page.field("Subject").fill("hand.made");
    await page.field("Message id").fill("hand-1");
    await page.field("Headers").fill("Source: console\nCity: Köln");
    await page.field("Payload").fill(`{"it's": "me"}`);
    await page.button("Publish…").click();

    assert.equal((await client.streams.get("HAND", patient)).state!.messages, 0n);
    await page.button("Copy as grpcurl").click();
    assert.match(await page.copied(), /"text":"\{\\"it'\\''s\\": \\"me\\"\}"/);
    await page.button(/^Publish$/).click();
    await page.sees("Stored as 1.");

    const message = await client.streams.message("HAND", { sequence: 1 }, patient);
    assert.equal(new TextDecoder().decode(message.payload.value as Uint8Array), `{"it's": "me"}`);
    assert.ok(message.headers.some(({ name, value }) => name === "City" && value === "Köln"));

    await page.field("Subject").fill("nobody.takes.this");
    await page.button("Publish…").click();
    await page.button(/^Publish$/).click();
    await page.sees("NO_STREAM_FOR_SUBJECT");
    await page.button("Cancel").click();
  });

  test("a consumer's page says who consumes and why nothing arrives; it is paused, resumed and reset", async () => {
    await client.consumers.create("SLOW", { durableName: "idle" }, patient);
    await using page = await Console.open(browser, world, "consumer/SLOW/idle");
    await page.sees("Nobody consumes it: there is no session on any replica, and no pull waits.");

    await page.goto("consumer/SLOW/billing");
    await page.row("slow-worker").getByText("window full").waitFor();
    await page.sees("slow-worker holds as many messages as its window has, and has to settle some.");
    await page.row("slow-worker").getByText("5 of 5").waitFor();

    await page.button("Pause…").click();
    await page.button(/^Pause$/).click();
    await page.sees("The consumer is paused.");
    assert.equal((await client.consumers.get("SLOW", "billing", patient)).state!.paused, true);
    await page.button("Resume…").click();
    await page.button(/^Resume$/).click();
    await eventually(async () => !(await client.consumers.get("SLOW", "billing", patient)).state!.paused, "the end of the pause");

    await page.field("Reset to sequence").fill("10");
    await page.button("Reset…").click();
    await page.button(/^Reset$/).click();
    await page.sees("billing goes on at 10.");
  });

  test("sessions are listed and terminated", async () => {
    await stream("SESS", 0);
    const consumer = client.consume("SESS", "billing", { clientName: "visitor" });
    await using page = await Console.open(browser, world, "sessions");
    await page.row("visitor").waitFor();
    const ids = async () => {
      const { sessions } = await client.services.gateway.listSessions({ clientName: "visitor" }, patient);
      return sessions.map(({ sessionId }) => sessionId);
    };
    const [id] = await ids();

    await page.button(/session of visitor/).click();
    await page.button("Cancel").click();
    assert.deepEqual(await ids(), [id]);
    await page.button(/session of visitor/).click();
    await page.button(/^Terminate$/).click();
    await page.sees("The session was told to end.");
    await eventually(async () => !(await ids()).includes(id), "the end of the session");
    await consumer.close();
  });

  test("a dead letter is looked at, tried and replayed", async () => {
    await stream("DIES", 1);
    const consumer = client.consume("DIES", "billing");
    (await consumer.receive(60_000))!.term("unlucky");
    await consumer.close();
    const listed = async () => (await client.services.deadLetters.listDeadLetters({}, patient)).letters.length > 0;
    await eventually(listed, "the letter");
    await using page = await Console.open(browser, world, "dead-letters");
    await page.row("DIES").getByText("unlucky").waitFor();

    await page.button(/look at letter DIES/).click();
    await page.sees(/"city": "Köln"/);
    await page.button("Replay…").click();
    await page.sees("1 would be published.");
    assert.equal((await client.streams.get("DIES", patient)).state!.messages, 1n);
    await page.button("Replay 1").click();
    await page.sees("1 were published.");
    assert.equal((await client.streams.get("DIES", patient)).state!.messages, 2n);
    await page.button("Close").click();

    await page.field("Stream").fill("ELSEWHERE");
    await page.button(/^Look$/).click();
    await page.sees("No message was given up.");
  });

  test("what is not there is said so", async () => {
    await using page = await Console.open(browser, world, "stream/NONE");
    await page.sees("STREAM_NOT_FOUND");
    await page.goto("nowhere");
    await page.sees("There is no page");
  });

  test("every page can be used without seeing it, in light and dark and on a phone", async () => {
    await stream("AXE", 3);
    const consumer = client.consume("AXE", "billing", { maxOutstanding: 1, clientName: "reader" });
    await consumer.receive(60_000);
    const places = ["", "consumers", "sessions", "dead-letters", "stream/AXE", "stream/AXE/configuration", "stream/AXE/publish", "consumer/AXE/billing"];
    for (const colorScheme of ["light", "dark"] as const) {
      await using page = await Console.open(browser, world, "", { colorScheme });
      for (const place of places) {
        await page.goto(place);
        await page.page.getByRole("heading", { level: 1 }).waitFor();
        await page.page.getByText("Loading…").waitFor({ state: "detached" });
        await page.isAccessible(`${place}, ${colorScheme}`);
      }
      await page.goto("stream/AXE");
      await page.button(/message 1$/).click();
      await page.isAccessible(`a message, ${colorScheme}`);
    }
    await using phone = await Console.open(browser, world, "", { viewport: { width: 360, height: 740 } });
    for (const place of places) {
      await phone.goto(place);
      await phone.page.getByRole("heading", { level: 1 }).waitFor();
      await phone.page.getByText("Loading…").waitFor({ state: "detached" });
      const wide = await phone.page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 360, `${place} is ${wide} wide`);
    }
    await consumer.close();
  });
});
