// What the console asks for, and keeps, while nobody looks at it and while somebody does.

import * as assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Client } from "jetgate";
import type { Browser } from "playwright-core";
import { Console, World, eventually, findBrowser, launch } from "./support.js";

const executable = findBrowser();
const patient = { timeoutMs: 60_000 };

describe("what the console asks for", { skip: !executable && "LEFT OUT: no Chromium", timeout: 300_000 }, () => {
  let browser: Browser;
  let world: World;
  let client: Client;

  before(async () => {
    const config = { "dead_letters.letters": "DEAD", "dead_letters.advisories": "DEAD_ADVISORIES" };
    [browser, world] = await Promise.all([launch(executable!), World.start({ console: true, config })]);
    client = world.connect();
  });

  after(async () => {
    await client?.close();
    await browser?.close();
    await world?.close();
  });

  /** Whether the console reads a stream live. */
  async function isFollowed(stream: string): Promise<boolean> {
    const { sessions } = await client.services.gateway.listSessions({ stream, clientName: "console" }, patient);
    return sessions.length > 0;
  }

  test("a hidden page asks nothing, and at once when it is seen again", async () => {
    await using page = await Console.open(browser, world, "", { clock: true });
    await page.page.getByRole("table").waitFor();
    await page.pass(6);
    assert.ok(page.called("GetInfo") >= 2, "a page that is seen looks after its gateway");

    await page.hide();
    await page.quiet();
    const asked = page.calls.length;
    await page.pass(120);
    assert.deepEqual(page.calls.slice(asked), []);

    await page.hide(false);
    await page.pass(1);
    for (const method of ["ListStreams", "GetInfo"]) assert.ok(page.calls.slice(asked).includes(method), method);
  });

  test("dead letters are read page by page, and again every half minute", async () => {
    await letters(120);
    await using page = await Console.open(browser, world, "dead-letters", { clock: true });
    const rows = async () => Number(await page.page.getByRole("table").getAttribute("aria-rowcount")) - 1;
    await page.sees("These are 50; there are more.");
    await page.quiet();
    const asked = page.called("ListDeadLetters");
    await page.pass(15);
    assert.equal(page.called("ListDeadLetters"), asked);
    await page.pass(20);
    assert.equal(page.called("ListDeadLetters"), asked + 1);

    await page.button("More").click();
    await page.sees("These are 100; there are more.");
    await page.button("More").click();
    await eventually(async () => (await rows()) === 120, "the last page");
    assert.equal(await page.button("More").count(), 0);

    // What was read stays as it is, and it is said that there is more by now.
    await letters(1);
    await page.pass(31);
    await page.sees("Others have come since.");
    assert.equal(await rows(), 120);
    await page.button("Newest").click();
    await page.sees("These are 50; there are more.");

    // Another page of the console does not read them at all.
    await page.goto("sessions");
    const left = page.called("ListDeadLetters");
    await page.pass(60);
    assert.equal(page.called("ListDeadLetters"), left);
  });

  /** Has so many messages die. */
  async function letters(count: number): Promise<void> {
    await client.streams.apply({ name: "DYING", subjects: ["dying"] }, patient);
    await client.consumers.apply("DYING", { durableName: "billing" }, patient);
    const listed = async () => {
      const { letters } = await client.services.deadLetters.listDeadLetters({ pageSize: 1_000 }, patient);
      return letters.length;
    };
    const before = await listed();
    for (let number = 0; number < count; number++) await client.publish("dying", String(number), patient);
    const consumer = client.consume("DYING", "billing");
    for (let number = 0; number < count; number++) (await consumer.receive(60_000))!.term("unlucky");
    await consumer.close();
    await eventually(async () => (await listed()) === before + count, "the letters");
  }

  test("a live tail pauses while its page is hidden, and says so", async () => {
    await client.streams.create({ name: "TAIL", subjects: ["tail"] }, patient);
    await using page = await Console.open(browser, world, "stream/TAIL/live");
    await eventually(() => isFollowed("TAIL"), "the read");

    await page.hide();
    await eventually(async () => !(await isFollowed("TAIL")), "the end of the read");
    await client.publish("tail", "while nobody looks", patient);
    await page.hide(false);
    await eventually(() => isFollowed("TAIL"), "another read");
    await client.publish("tail", "while somebody looks", patient);
    await page.row("while somebody looks").waitFor();
    assert.equal(await page.row("while nobody looks").count(), 0);
    await page.sees("It paused while the page was hidden: what came then is not here.");
  });

  test("a live tail keeps so many messages, each with the beginning of its payload", async () => {
    await client.streams.create({ name: "MANY", subjects: ["many"] }, patient);
    await using page = await Console.open(browser, world, "stream/MANY/live");
    await eventually(() => isFollowed("MANY"), "the read");
    await Promise.all(Array.from({ length: 600 }, () => client.publish("many", "x", patient)));
    await page.sees(/600 so far, the last 500 are kept/);

    // The whole of one is asked for when it is opened, and can be gone.
    const long = `the beginning ${"and so on ".repeat(5_000)}`;
    for (const end of ["601", "602"]) await client.publish("many", `${long} the end of ${end}`, patient);
    await client.streams.deleteMessage("MANY", 602, patient);
    await page.button(/message 601$/).click();
    await page.sees(/the end of 601/);
    await page.button("Close").click();
    await page.button(/message 602$/).click();
    await page.sees("MESSAGE_NOT_FOUND");
    await page.sees("This is its beginning");
    await page.sees(/^the beginning/);
    assert.equal(await page.page.getByText("the end of 602").count(), 0);
  });

  test("a stream that ends a live tail is said to have", async () => {
    await client.streams.create({ name: "ENDS", subjects: ["ends"] }, patient);
    await using page = await Console.open(browser, world, "stream/ENDS/live");
    await eventually(() => isFollowed("ENDS"), "the read");
    await client.streams.delete("ENDS", patient);
    await page.sees("Paused, 0 so far");
  });

  test("a list that takes too long is said to, and the gateway is not said to be away", async () => {
    await using page = await Console.open(browser, world, "sessions");
    await page.page.route("**/ListStreams", () => undefined); // The network holds them.
    await page.goto("streams");
    await page.sees("DEADLINE_EXCEEDED");
    assert.equal(await page.page.getByText("The gateway does not answer.").count(), 0);
  });

  test("the charts of what is gone do not come back", async () => {
    await client.streams.create({ name: "AGAIN", subjects: ["again"] }, patient);
    await using page = await Console.open(browser, world, "consumer/AGAIN/reader", { clock: true });
    await client.consumers.create("AGAIN", { durableName: "reader" }, patient);
    await page.charted(6);

    await client.consumers.delete("AGAIN", "reader", patient);
    await page.pass(4);
    await page.sees("CONSUMER_NOT_FOUND");
    await client.consumers.create("AGAIN", { durableName: "reader" }, patient);
    assert.ok((await page.charted(2)) < 6);
  });
});
