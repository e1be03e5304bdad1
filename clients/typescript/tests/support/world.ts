// Real gateways and nats-servers for a test: `tests/scenarios/world.py` starts them, and does with them what it is told.

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createConnection } from "node:net";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Client, type Credentials, connect } from "jetgate";
import { eventually } from "./assertions.js";

/** The checkout. This file runs from `clients/typescript/build/tests/support`. */
export const ROOT = path.resolve(fileURLToPath(import.meta.url), "../../../../../..");

/** What a world is started with. */
export interface WorldOptions {
  nats?: number;
  gateways?: number;
  tls?: boolean;
  api_key?: boolean;
  short_key?: number;
  tokens?: boolean;
  console?: boolean;
  max_payload?: number;
  config?: Record<string, string>;
}

/** The answer to a command. */
export type Answer = Record<string, unknown>;

/** The servers of one test. */
export class World {
  gateways: string[] = [];
  consoles: string[] = [];
  nats: string[] = [];
  apiKey: string | undefined;
  shortKey: string | undefined;
  ca: Buffer | undefined;
  otherCa: Buffer | undefined;

  private readonly waiting: ((line: string | undefined) => void)[] = [];
  private log = "";

  private constructor(private readonly process: ChildProcessWithoutNullStreams) {
    createInterface({ input: process.stdout })
      .on("line", (line) => this.waiting.shift()?.(line))
      .on("close", () => this.waiting.splice(0).forEach((give) => give(undefined)));
    process.stderr.on("data", (text: Buffer) => (this.log += text.toString()));
  }

  /** Starts servers; `using` or `close` ends them. */
  static async start(options: WorldOptions = {}): Promise<World> {
    const script = path.join(ROOT, "tests/scenarios/world.py");
    const world = new World(spawn("python3", [script], { env: { ...process.env, ...binaries() } }));
    const answer = await world.command({ do: "start", ...options });
    world.gateways = answer.gateways as string[];
    world.consoles = answer.consoles as string[];
    world.nats = answer.nats as string[];
    world.apiKey = answer.api_key as string | undefined;
    world.shortKey = answer.short_key as string | undefined;
    world.ca = answer.ca_file ? readFileSync(answer.ca_file as string) : undefined;
    world.otherCa = answer.other_ca_file ? readFileSync(answer.other_ca_file as string) : undefined;
    return world;
  }

  /** A token that is renewed after two seconds, by one that lasts. */
  renewed(): Credentials {
    const begun = Date.now();
    const token = () => Promise.resolve((Date.now() - begun < 2_000 ? this.shortKey : this.apiKey)!);
    return { apiKey: undefined, token };
  }

  /** A client of all gateways, or of some, with what they ask for. */
  connect(gateways?: number[], credentials: Credentials = {}): Client {
    const addresses = gateways?.map((which) => this.gateways[which]) ?? this.gateways;
    return connect(addresses, { ...this.credentials(), ...credentials });
  }

  /** What the gateways ask for. */
  credentials(): Credentials {
    return { ...(this.apiKey && { apiKey: this.apiKey }), ...(this.ca && { tls: { ca: this.ca } }) };
  }

  /** Has a command carried out. */
  async command(command: Record<string, unknown>): Promise<Answer> {
    const line = await new Promise<string | undefined>((resolve) => {
      this.waiting.push(resolve);
      this.process.stdin.write(`${JSON.stringify(command)}\n`);
    });
    if (line === undefined) throw new Error(`the world has ended: ${this.log}`);
    const answer = JSON.parse(line) as Answer;
    if (!answer.ok) throw new Error(`${JSON.stringify(command)}: ${String(answer.error)}`);
    return answer;
  }

  /** Waits until somebody listens at a gateway's address: it is about to be ready. */
  async listens(gateway: number): Promise<void> {
    const [host, port] = this.gateways[gateway].split(":");
    const accepts = () =>
      new Promise<boolean>((resolve) => {
        const socket = createConnection(Number(port), host);
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
        socket.once("connect", () => socket.destroy());
      });
    await eventually("the gateway listens", accepts);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("close", resolve));
    this.process.stdin.end();
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Certificates of an authority of their own, as files in `folder`. */
export function makeCertificates(folder: string): { ca: string; cert: string; key: string } {
  const program = "import certificates, json, pathlib, sys; print(json.dumps(certificates.make(pathlib.Path(sys.argv[1]))))";
  const made = execFileSync("python3", ["-c", program, folder], { cwd: path.join(ROOT, "tests/scenarios"), encoding: "utf8" });
  return JSON.parse(made) as { ca: string; cert: string; key: string };
}

/** The programs that a world runs. */
function binaries(): Record<string, string> {
  const gateway = process.env.JETGATE_BIN ?? path.join(ROOT, "target/debug/jetgate");
  if (!existsSync(gateway)) throw new Error(`${gateway} is not there: build it, or set JETGATE_BIN`);
  const nats = process.env.JETGATE_TEST_NATS_SERVER;
  if (!nats) throw new Error("JETGATE_TEST_NATS_SERVER does not say where nats-server is");
  return { JETGATE_BIN: gateway, JETGATE_TEST_NATS_SERVER: nats };
}
