// Every snippet of the README and every example runs as it stands there.

import * as assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { buildSync, transformSync } from "esbuild";
import { Page, findBrowser } from "./support/page.js";
import { ROOT, World } from "./support/world.js";

const PACKAGE = path.join(ROOT, "clients/typescript");
const PROGRAMS = path.join(PACKAGE, "build/programs");

mkdirSync(PROGRAMS, { recursive: true });

test("the README's snippets for Node run one after the other", { timeout: 240_000 }, async () => {
  await using world = await World.start();
  const snippets = fenced("ts");
  assert.ok(snippets.length >= 6);
  assert.ok(snippets[0].split("\n").filter((line) => line && !line.startsWith("}")).length <= 10, "ten lines");
  for (const [number, snippet] of snippets.entries()) {
    const file = path.join(PROGRAMS, `snippet-${number}.mjs`);
    writeFileSync(file, transformSync(snippet, { loader: "ts", format: "esm" }).code);
    const { code, output } = await run(file, { JETGATE_URL: `http://${world.gateways[0]}` });
    assert.equal(code, 0, `snippet ${number + 1}: ${output}`);
    if (snippet.includes("exactly behind")) assert.match(output, /exactly behind 100n/);
    if (snippet.includes("WRONG_LAST_SEQUENCE")) assert.match(output, /^ABORTED WRONG_LAST_SEQUENCE 2$/m);
  }
});

test("what the README installs runs its first snippet in an empty folder", { timeout: 240_000 }, async () => {
  await using world = await World.start();
  const folder = mkdtempSync(path.join(tmpdir(), "jetgate-"));
  const [install, ...more] = fenced("sh");
  assert.deepEqual(more, []);
  mkdirSync(path.join(folder, "target/clients"), { recursive: true });
  // As `make typescript` packs it.
  const pack = ["pack", "--silent", "--ignore-scripts", "--pack-destination", path.join(folder, "target/clients")];
  execFileSync("npm", pack, { cwd: PACKAGE });
  const env = { ...process.env, npm_config_prefer_offline: "true", npm_config_audit: "false", npm_config_fund: "false" };
  execFileSync("bash", ["-ec", install], { cwd: folder, env });
  const file = path.join(folder, "first.mjs");
  writeFileSync(file, transformSync(fenced("ts")[0], { loader: "ts", format: "esm" }).code);
  const { code, output } = await run(file, { JETGATE_URL: `http://${world.gateways[0]}` });
  assert.equal(code, 0, output);
  assert.match(output, /^orders.new \{ id: 17 \}$/m);
  rmSync(folder, { recursive: true });
});

test("the README's snippet for browsers runs in one", { timeout: 240_000 }, async (context) => {
  const browser = findBrowser();
  if (!browser) return context.skip("LEFT OUT: no Chromium");
  const [snippet, ...more] = fenced("js");
  assert.deepEqual(more, []);
  const page = await Page.serve();
  try {
    await using world = await World.start({ api_key: true, config: { "web.origins": page.origin } });
    await using client = world.connect();
    await client.streams.create({ name: "ORDERS", subjects: ["orders.*"] });
    const visited = page.visit(browser, inPage(snippet, world));
    const ended = visited.then(() => "ended");
    // The page wants new messages only: one that is published before it subscribes is not for it.
    do await client.publish("orders.new", "for the page;");
    while ((await Promise.race([ended, setTimeout(200)])) !== "ended");
    assert.match((await visited).text, /^(for the page;)+$/);
  } finally {
    page.close();
  }
});

/** A page's program: the snippet with what its page has, which posts the page's text once there is one. */
function inPage(snippet: string, world: World): string {
  const around = `
    globalThis.session = { accessToken: async () => ${JSON.stringify(world.apiKey)} };
    new MutationObserver((changes, observer) => {
      observer.disconnect();
      fetch("/text", { method: "POST", body: JSON.stringify({ text: document.body.textContent }) });
    }).observe(document.documentElement, { childList: true, subtree: true });
  `;
  const contents = around + snippet.replace("https://gateway.example", `http://${world.gateways[0]}`);
  const stdin = { contents, resolveDir: PACKAGE };
  return buildSync({ stdin, bundle: true, write: false, format: "esm", platform: "browser" }).outputFiles[0].text;
}

describe("examples", () => {
  test("what the publisher publishes the consumer processes, each event once", { timeout: 240_000 }, async () => {
    await using world = await World.start();
    const environment = {
      JETGATE_URL: `http://${world.gateways[0]}`,
      STREAM_NAME: "EVENTS",
      CONSUMER_NAME: "processor",
      IDLE_MS: "1000",
    };
    const publisher = path.join(PACKAGE, "build/examples/publisher.js");
    assert.match((await run(publisher, environment)).output, /published 100 events to EVENTS, 0 were there already/);
    assert.match((await run(publisher, environment)).output, /published 0 events to EVENTS, 100 were there already/);
    const { output } = await run(path.join(PACKAGE, "build/examples/consumer.js"), environment);
    assert.match(output, /^processed 100 events$/m);
    assert.match(output, /^user 100, attempt 1, trace 00-[0-9a-f]{32}-[0-9a-f]{16}-01$/m);
  });

  test("a trace goes from the publisher to the consumer", { timeout: 240_000 }, async () => {
    await using world = await World.start();
    await using client = world.connect();
    await client.streams.create({ name: "USERS", subjects: ["users.*"] });
    await client.consumers.create("USERS", { durableName: "worker" });
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const names = { STREAM_NAME: "USERS", CONSUMER_NAME: "worker", TRACEPARENT: trace };
    const { output } = await run(example("tracing"), { ...names, JETGATE_URL: `http://${world.gateways[0]}` });
    assert.equal(output, `published in ${trace}\nada goes on in ${trace}\n`);
  });

  test("a payment is booked once, however often the program runs", { timeout: 240_000 }, async () => {
    await using world = await World.start();
    const LEDGER = path.join(mkdtempSync(path.join(tmpdir(), "jetgate-")), "ledger");
    const environment = { JETGATE_URL: `http://${world.gateways[0]}`, LEDGER };
    const first = await run(example("exactly_once"), environment);
    assert.deepEqual(count(first.output, "published before: false", "booked before: false"), [3, 3], first.output);
    // Another consumer gets everything again, as this one would where it had crashed before its acknowledgement.
    const again = await run(example("exactly_once"), { ...environment, CONSUMER_NAME: "again" });
    assert.deepEqual(count(again.output, "published before: true", "booked before: true"), [3, 3], again.output);
  });
});

function example(name: string): string {
  return path.join(PACKAGE, `build/examples/${name}.js`);
}

function count(text: string, ...parts: string[]): number[] {
  return parts.map((part) => text.split(part).length - 1);
}

/** The README's code of a language. */
function fenced(language: string): string[] {
  const readme = readFileSync(path.join(PACKAGE, "README.md"), "utf8");
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, code]) => code);
}

function run(file: string, environment: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [file], { env: { ...process.env, ...environment } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}
