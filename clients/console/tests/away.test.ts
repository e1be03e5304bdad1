// The console while its gateway is away, and for callers who may not do everything.

import * as assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { Console, World, eventually, findBrowser, launch } from "./support.js";

const executable = findBrowser();
const patient = { timeoutMs: 60_000 };

describe("the console, with obstacles", { skip: !executable && "LEFT OUT: no Chromium", timeout: 300_000 }, () => {
  let browser: Browser;

  before(async () => {
    browser = await launch(executable!);
  });

  after(() => browser?.close());

  test("a gateway that is lost and comes back", async () => {
    await using world = await World.start({ console: true });
    await using client = world.connect();
    await client.streams.create({ name: "STAYS", subjects: ["stays"] }, patient);
    await using page = await Console.open(browser, world);
    await page.row("STAYS").waitFor();
    await using live = await Console.open(browser, world, "stream/STAYS/live");
    // The tail says that it listens before it does; only what it has a place in the stream for is never missed.
    const isFollowed = async () => {
      const { sessions } = await client.services.gateway.listSessions({ stream: "STAYS", clientName: "console" }, patient);
      return sessions.length > 0;
    };
    await eventually(isFollowed, "the read");
    await client.publish("stays", "before", patient);
    await live.row("before").waitFor();

    await world.command({ do: "kill_gateway" });
    await page.sees("The gateway does not answer.");
    await page.row("STAYS").waitFor(); // What was known stays in sight.

    await world.command({ do: "start_gateway" });
    await page.page.getByText("The gateway does not answer.").waitFor({ state: "detached" });
    await client.publish("stays", "after", patient);
    await page.row("STAYS").getByText("2", { exact: true }).first().waitFor();

    await world.command({ do: "stop_nats" });
    await page.sees("The gateway has lost its connection to NATS.");
    await world.command({ do: "start_nats" });
    await page.page.getByText("The gateway has lost its connection to NATS.").waitFor({ state: "detached" });
    await eventually(isFollowed, "the read that goes on");
    await client.publish("stays", "and after that", patient);
    await live.row("and after that").waitFor();
  });

  test("a token is asked for, kept in memory alone, and its rules decide", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "jetgate-console-"));
    const rules = path.join(folder, "policy.toml");
    writeFileSync(
      rules,
      `[[rule]]
name = "looks at OPEN"
callers = ["scenarios"]
streams = [{ names = ["OPEN"], actions = ["view", "write"], subjects = ["open"] }]
consumers = [{ streams = ["OPEN"], names = ["*"], actions = ["view", "write"] }]
gateway = ["info"]
`,
    );
    try {
      await using world = await World.start({ console: true, api_key: true, config: { "auth.policy_file": rules } });
      await using client = world.connect();
      await client.streams.create({ name: "OPEN", subjects: ["open"] }, patient);
      await client.consumers.create("OPEN", { durableName: "reader" }, patient);
      await world.command({ do: "nats_publish", subject: "open", payload: "x" });

      await using page = await Console.open(browser, world);
      await page.field("API key or token").fill("jg_wrong");
      await page.button("Sign in").click();
      await page.sees("The gateway does not take this one.");
      await page.field("API key or token").fill(world.apiKey!);
      await page.button("Sign in").click();
      await page.row("OPEN").waitFor();
      await page.sees("scenarios");
      const kept = await page.page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie, location.href]));
      assert.ok(!kept.includes(world.apiKey!), kept);

      // What the rules do not allow is said, with what is missing; what they allow is shown.
      await page.goto("consumer/OPEN/reader");
      await page.button("Pause…").click();
      await page.page.getByRole("dialog").getByRole("button", { name: "Copy as grpcurl" }).click();
      assert.ok(!(await page.copied()).includes(world.apiKey!));
      await page.button(/^Pause$/).click();
      await page.sees("You may not see or do this");
      await page.sees("consumers.control");
      await page.button("Cancel").click();
      assert.equal((await client.consumers.get("OPEN", "reader", patient)).state!.paused, false);

      // A page that is loaded anew has forgotten the token.
      await page.page.reload();
      await page.sees("Who are you?");
      await page.isAccessible("the question for a token");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
