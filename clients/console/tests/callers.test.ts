// One caller after the other in the same page: nothing of the first is left for the second.

import * as assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import type { Client } from "jetgate";
import type { Browser } from "playwright-core";
import { Console, World, eventually, findBrowser, launch } from "./support.js";

const executable = findBrowser();
const patient = { timeoutMs: 60_000 };

/** One may do everything, the other look at OPEN. */
const RULES = `
[[rule]]
name = "all"
callers = ["ada"]
streams = [{ names = ["*"], actions = ["*"] }]
consumers = [{ streams = ["*"], actions = ["*"] }]
publish = [">"]
consume = [{ streams = ["*"] }]
gateway = ["*"]

[[rule]]
name = "little"
callers = ["bob"]
streams = [{ names = ["OPEN"], actions = ["view"] }]
gateway = ["info"]
`;

describe("callers", { skip: !executable && "LEFT OUT: no Chromium", timeout: 300_000 }, () => {
  let folder: string;
  let browser: Browser;
  let world: World;
  let client: Client;
  let keys: Record<"ada" | "bob", string>;

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "jetgate-console-"));
    const [ada, bob] = await Promise.all(["ada", "bob"].map(makeKey));
    keys = { ada: ada.key, bob: bob.key };
    const file = (name: string, text: string) => {
      writeFileSync(path.join(folder, name), text);
      return path.join(folder, name);
    };
    const config = {
      "auth.api_keys_file": file("keys.toml", `${ada.entry}\n${bob.entry}`),
      "auth.policy_file": file("policy.toml", RULES),
    };
    [browser, world] = await Promise.all([launch(executable!), World.start({ console: true, config })]);
    client = world.connect(undefined, { apiKey: keys.ada });
    for (const name of ["OPEN", "SECRET"]) await client.streams.create({ name, subjects: [name.toLowerCase()] }, patient);
  });

  after(async () => {
    await client?.close();
    await browser?.close();
    await world?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function signIn(page: Console, key: string): Promise<void> {
    await page.field("API key or token").fill(key);
    await page.button("Sign in").click();
  }

  test("nobody is asked anything before it is known who asks", async () => {
    await using page = await Console.open(browser, world, "", { clock: true });
    await page.sees("Who are you?");
    await page.quiet();
    const asked = page.calls.length;
    await page.pass(60);
    assert.deepEqual(page.calls.slice(asked), []);
  });

  test("whoever signs in after another sees nothing of what that one saw", async () => {
    await using page = await Console.open(browser, world, "", { clock: true });
    await signIn(page, keys.ada);
    await page.row("SECRET").waitFor();
    await page.charted(6);
    await page.goto("stream/SECRET/live");
    const reads = async () => {
      const { sessions } = await client.services.gateway.listSessions({ clientName: "console" }, patient);
      return sessions.length;
    };
    await eventually(async () => (await reads()) === 1, "the read");
    await client.publish("secret", "for ada alone", patient);
    await page.row("for ada alone").waitFor();

    await page.button("Sign out").click();
    await page.sees("Who are you?");
    await eventually(async () => (await reads()) === 0, "the end of the read");
    await page.quiet();
    const asked = page.calls.length;
    const remains = async () => {
      const text = await page.page.evaluate(() => `${document.documentElement.innerHTML} ${document.title} ${location.href}`);
      return ["SECRET", "for ada alone", "ada<", keys.ada].filter((word) => text.includes(word));
    };
    assert.deepEqual(await remains(), []);
    assert.equal(await page.button("Sign out").count(), 0);

    await signIn(page, keys.bob);
    await page.row("OPEN").waitFor();
    await page.sees("bob");
    assert.deepEqual(await remains(), []);
    assert.ok((await page.charted(2)) < 6, "charts begin anew");
    assert.ok(!page.calls.slice(asked).includes("Subscribe"), "nobody reads on");

    await page.goto("stream/SECRET/live");
    await page.sees("You may not see or do this");
    assert.equal(await page.row("for ada alone").count(), 0);
  });

  test("an answer that comes after its caller has left changes nothing", async () => {
    await using page = await Console.open(browser, world);
    await signIn(page, keys.ada);
    await page.row("SECRET").waitFor();
    const held: (() => void)[] = [];
    await page.page.route("**/ListStreams", async (route) => {
      await new Promise<void>((resolve) => held.push(resolve));
      await route.continue().catch(() => undefined); // It was given up.
    });
    await eventually(() => Promise.resolve(held.length > 0), "a question that is held");
    await page.button("Sign out").click();
    await page.page.unroute("**/ListStreams");
    await signIn(page, keys.bob);
    await page.row("OPEN").waitFor();
    held.forEach((release) => release());
    await page.quiet();
    assert.equal(await page.row("SECRET").count(), 0);
    assert.equal(await page.page.getByRole("alert").count(), 0);
  });
});

/** A new key: the entry of its file, and itself. */
async function makeKey(name: string): Promise<{ entry: string; key: string }> {
  const { stdout, stderr } = await promisify(execFile)(process.env.JETGATE_BIN!, ["api-key", name]);
  return { entry: stdout, key: stderr.trim().split(/\s+/).at(-1)! };
}
