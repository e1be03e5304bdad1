// Every snippet of the README and every example runs as it stands there.

import * as assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { describe, test } from "node:test";
import { buildSync, transformSync } from "esbuild";
import { ROOT, World } from "./support/world.js";

const PACKAGE = path.join(ROOT, "clients/typescript");
const PROGRAMS = path.join(PACKAGE, "build/programs");

mkdirSync(PROGRAMS, { recursive: true });

test("the README's snippets for Node run one after the other", { timeout: 60_000 }, async () => {
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

test("the README's snippet for browsers is bundled", () => {
  const [snippet, ...more] = fenced("js");
  assert.deepEqual(more, []);
  const stdin = { contents: snippet, resolveDir: PACKAGE };
  const { outputFiles } = buildSync({ stdin, bundle: true, write: false, format: "esm", platform: "browser" });
  assert.ok(outputFiles[0].text.includes("application/grpc-web+proto"));
});

describe("examples", () => {
  test("what the publisher publishes the consumer processes, each event once", { timeout: 60_000 }, async () => {
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
});

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
