// Searches through stored messages that take long, find little or get no answer.

import * as assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Client } from "jetgate";
import type { Browser } from "playwright-core";
import { Console, World, eventually, findBrowser, launch } from "./support.js";

const executable = findBrowser();
const patient = { timeoutMs: 60_000 };

/** How many sequences lie between the oldest messages and the newest. */
const GAP = 2_000_000;

describe("a search", { skip: !executable && "LEFT OUT: no Chromium", timeout: 300_000 }, () => {
  let browser: Browser;
  let world: World;
  let client: Client;

  before(async () => {
    [browser, world] = await Promise.all([launch(executable!), World.start({ console: true })]);
    client = world.connect();
  });

  after(async () => {
    await client?.close();
    await browser?.close();
    await world?.close();
  });

  async function stream(name: string, messages: number): Promise<void> {
    await client.streams.create({ name, subjects: [name.toLowerCase()] }, patient);
    for (let number = 1; number <= messages; number++) await client.publish(name.toLowerCase(), `number ${number}`, patient);
  }

  test("looks through so much at a time, says how far it is and goes on", async () => {
    // A mirror keeps what its origin drops: three messages, a long gap, and two.
    await stream("ORIGIN", 3);
    await client.streams.create({ name: "GAP", mirror: { name: "ORIGIN" } }, patient);
    const has = async (count: bigint) => (await client.streams.get("GAP", patient)).state!.messages === count;
    await eventually(() => has(3n), "the first messages");
    await client.streams.purge("ORIGIN", { upToSequence: GAP }, patient);
    for (const payload of ["late", "later"]) await client.publish("origin", payload, patient);
    await eventually(() => has(5n), "the last messages");

    await using page = await Console.open(browser, world, "stream/GAP");
    await page.sees(/^That is not all\. 2 found in the sequences 1,\d{3},\d{3} to 2,000,001\.$/);
    await page.row("later").waitFor();
    await eventually(async () => {
      await page.button("Go on").click({ timeout: 1_000 }).catch(() => undefined);
      return (await page.row("number 1").count()) > 0;
    }, "the oldest");
    await page.sees("That is all there is here.");
    assert.equal(await page.page.getByRole("button", { name: /^Look at message/ }).count(), 5);

    // The same from the other end.
    await page.field("From").selectOption("oldest");
    await page.button(/^Look$/).click();
    await page.sees(/^That is not all\. 3 found in the sequences 1 to /);
    await eventually(async () => {
      await page.button("Go on").click({ timeout: 1_000 }).catch(() => undefined);
      return (await page.row("later").count()) > 0;
    }, "the newest");
  });

  test("is stopped, and goes on", async () => {
    await stream("STOP", 3);
    await using page = await Console.open(browser, world, "stream/STOP/configuration");
    await page.page.route("**/Subscribe", () => undefined); // The network holds them.
    await page.page.getByRole("link", { name: "Messages" }).click();
    await page.sees("Looking…");
    await page.button("Stop").click();
    await page.sees("Nothing was looked through.");
    assert.equal(await page.page.getByRole("alert").count(), 0, "a stop is no fault");

    await page.page.unroute("**/Subscribe");
    await page.button("Go on").click();
    await page.row("number 3").waitFor();
  });

  test("that gets no answer says so, and goes on", async () => {
    await stream("SILENT", 3);
    await using page = await Console.open(browser, world, "stream/SILENT/configuration");
    await page.page.route("**/Subscribe", () => undefined);
    await page.page.getByRole("link", { name: "Messages" }).click();
    await page.sees("The gateway has sent nothing for 10 s. What is shown may not be all.");
    assert.equal(await page.page.getByText("That is all there is here.").count(), 0);

    await page.page.unroute("**/Subscribe");
    await page.button("Go on").click();
    await page.row("number 3").waitFor();
    await page.sees("That is all there is here.");
  });

  test("that comes late does not show what was found for the one before", async () => {
    await stream("LATE", 3);
    await using page = await Console.open(browser, world, "stream/LATE/configuration");
    let release = () => undefined as void;
    const held = new Promise<void>((resolve) => (release = resolve));
    await page.page.route("**/Subscribe", async (route) => {
      await held;
      await route.continue();
    }, { times: 1 });
    await page.page.getByRole("link", { name: "Messages" }).click();
    await page.sees("Looking…");
    await page.page.getByRole("textbox", { name: "Subject" }).fill("late.none");
    await page.button(/^Look$/).click();
    await page.sees("No message is there.");
    release();
    await page.quiet();
    assert.equal(await page.row("number 3").count(), 0);
  });

  test("begins at a sequence, and at nothing else", async () => {
    await stream("PLACES", 3);
    await client.consumers.create("PLACES", { durableName: "reader" }, patient);
    await using page = await Console.open(browser, world, "stream/PLACES");
    await page.field("From").selectOption("sequence");
    const place = page.page.getByRole("textbox", { name: "Sequence" });
    for (const nonsense of ["1e3", "", "-1", "0", "1.5", "0x10", "18446744073709551616", "1,2"]) {
      await place.fill(nonsense);
      await page.button(/^Look$/).click();
      await page.sees("A sequence is a whole number from 1 on.");
      assert.equal(await place.getAttribute("aria-invalid"), "true", nonsense);
      await page.field("From").selectOption("oldest");
      await page.field("From").selectOption("sequence");
    }
    await page.isAccessible("a field with a mistake");
    await place.fill("1,000");
    await page.button(/^Look$/).click();
    await page.sees("No message is there.");
    assert.equal(await place.getAttribute("aria-invalid"), "false");
    await page.field("From").selectOption("time");
    await page.button(/^Look$/).click();
    await page.sees("A date and a time of day are missing.");

    await page.goto("consumer/PLACES/reader");
    await page.field("Reset to sequence").fill("1e3");
    await page.button("Reset…").click();
    await page.sees("A sequence is a whole number from 1 on.");
    assert.equal(await page.page.getByRole("dialog").count(), 0);
  });
});
