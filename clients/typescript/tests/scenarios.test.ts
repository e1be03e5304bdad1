// The scenarios that every client of jetgate carries out, and the report of what became of each.

import { appendFileSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import * as path from "node:path";
import { describe, test } from "node:test";
import { Interpreter } from "./scenarios/interpreter.js";
import type { Json } from "./scenarios/values.js";
import { ROOT, World, type WorldOptions } from "./support/world.js";

const FOLDER = path.join(ROOT, "tests/scenarios");
const REPORTS = process.env.JETGATE_SCENARIO_REPORTS ?? path.join(ROOT, "target/scenarios");
const REPORT = path.join(REPORTS, "typescript.jsonl");

mkdirSync(REPORTS, { recursive: true });
rmSync(REPORT, { force: true });

// Servers and clients mostly wait for one another: several worlds fit on two cores.
describe("scenarios", { concurrency: 4 }, () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".json")).sort()) {
    const scenario = JSON.parse(readFileSync(path.join(FOLDER, file), "utf8")) as Json;
    const name = path.basename(file, ".json");
    test(name, { timeout: 300_000 }, () => reported(name, () => carryOut(scenario)));
  }
});

async function carryOut(scenario: Json): Promise<void> {
  await using world = await World.start((scenario.world as WorldOptions | undefined) ?? {});
  await new Interpreter(world).run(scenario);
}

async function reported(scenario: string, run: () => Promise<void>): Promise<void> {
  const begun = Date.now();
  const report = (result: string, detail: string) => {
    const seconds = Math.round((Date.now() - begun) / 100) / 10;
    appendFileSync(REPORT, `${JSON.stringify({ client: "typescript", scenario, result, seconds, detail })}\n`);
  };
  try {
    await run();
    report("passed", "");
  } catch (error) {
    report("failed", error instanceof Error ? error.message : String(error));
    throw error;
  }
}
