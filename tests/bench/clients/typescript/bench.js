// Measures the TypeScript client beside nats.js: publishing with acks and consuming with acks, on one nats-server.
//
// The sides take turns, round by round, each in a process of its own, and the table shows medians. A side that did not store
// or receive exactly what it should fails the run. `make bench-clients` calls it; JETGATE_BIN names the gateway, a release
// build, and JETGATE_TEST_NATS_SERVER the nats-server.

import { spawn } from "node:child_process";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    messages: { type: "string", default: "200000" },
    "native-messages": { type: "string", default: "60000" },
  },
});
const ROUNDS = Number(values.rounds);

/** What is compared: nats.js first, then the ways of this client. Each row publishes into, or reads from, BENCH. */
const ROWS = [
  { task: "publish", sides: ["nats.js", "jetgate", "jetgate-without-ids", "jetgate-cumulative"] },
  { task: "consume", sides: ["nats.js", "jetgate"] },
];

const world = startWorld();
const { gateways, nats } = await world.ask({ do: "start" });
try {
  console.log(`256-byte messages, medians of ${ROUNDS} rounds, Node ${process.versions.node}\n`);
  console.log("| | messages a second | beside nats.js |\n| --- | --- | --- |");
  for (const { task, sides } of ROWS) {
    const rates = new Map(sides.map((side) => [side, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const side of sides) rates.get(side).push(await measure(task, side));
    }
    const native = median(rates.get("nats.js"));
    for (const side of sides) {
      const rate = median(rates.get(side));
      const all = rates.get(side).map(thousands).join(", ");
      console.error(`${task} ${side}: ${all}`);
      console.log(`| ${task}, ${side} | ${thousands(rate)} | ${(rate / native).toFixed(1)} |`);
    }
  }
} finally {
  world.end();
}

/** One round of one side: a program that prints how many messages a second it has done. */
async function measure(task, side) {
  const count = side === "nats.js" ? values["native-messages"] : values.messages;
  const child = spawn(process.execPath, [path.join(HERE, "side.js"), task, side, count, gateways[0], nats[0]], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) throw new Error(`${task} ${side} has FAILED`);
  return Number(out);
}

function startWorld() {
  const script = path.resolve(HERE, "../../../scenarios/world.py");
  const child = spawn("python3", [script], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(command) {
      child.stdin.write(`${JSON.stringify(command)}\n`);
      const answer = JSON.parse((await lines.next()).value);
      if (!answer.ok) throw new Error(answer.error);
      return answer;
    },
    end: () => child.stdin.end(),
  };
}

function median(numbers) {
  return [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)];
}

function thousands(rate) {
  return Math.round(rate).toLocaleString("en");
}
