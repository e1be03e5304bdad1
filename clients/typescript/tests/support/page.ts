// A page in a headless browser, for tests of what the client does there.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { ROOT } from "./world.js";

const PACKAGE = path.join(ROOT, "clients/typescript");

/** An address that leads to this machine, which the browser does not know: as from another machine without TLS. */
const FAR = "10.1.2.3";

/** A page, and the server that it comes from and reports to. */
export class Page {
  private program = "";
  private reported!: (results: Record<string, string>) => void;
  private readonly folder = mkdtempSync(path.join(tmpdir(), "jetgate-page-"));
  private process: ChildProcess | undefined;

  private constructor(private readonly server: Server) {}

  static async serve(): Promise<Page> {
    const server = createServer();
    const page = new Page(server);
    server.on("request", (request, response) => {
      if (request.method === "POST") {
        let body = "";
        request.on("data", (chunk: Buffer) => (body += chunk.toString()));
        request.on("end", () => page.reported(JSON.parse(body) as Record<string, string>));
        return response.end();
      }
      response.setHeader("content-type", "text/html; charset=utf-8");
      response.end(`<!doctype html><title>jetgate</title><script type="module">${page.program}</script>`);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return page;
  }

  get origin(): string {
    return `http://${FAR}:${(this.server.address() as AddressInfo).port}`;
  }

  /** Opens the page with this program in a browser, and waits for what it posts. */
  async visit(browser: string, program: string): Promise<Record<string, string>> {
    this.program = program.replaceAll("</script", "<\\/script");
    const quiet = ["--no-first-run", "--no-proxy-server", "--disable-background-networking", "--disable-component-update"];
    const far = `--host-resolver-rules=MAP ${FAR} 127.0.0.1`;
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${this.folder}`, far, ...quiet];
    // A group of its own: a browser is many processes.
    this.process = spawn(browser, [...flags, "--remote-debugging-port=0", this.origin], {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    let log = "";
    this.process.stderr!.on("data", (chunk: Buffer) => (log += chunk.toString()));
    return new Promise((resolve, reject) => {
      this.reported = resolve;
      this.process!.once("error", reject);
      this.process!.once("exit", (code) => reject(new Error(`the browser ended with ${code}: ${log}`)));
    });
  }

  close(): void {
    this.process?.removeAllListeners("exit");
    this.process?.stderr?.destroy();
    if (this.process?.pid) process.kill(-this.process.pid, "SIGKILL");
    this.server.closeAllConnections();
    this.server.close();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** A Chromium that is installed, or can be; says where a test is left out, and fails it where `CI` is true. */
export function findBrowser(): string | undefined {
  try {
    const script = path.join(PACKAGE, "scripts/chromium.sh");
    return execFileSync("bash", [script], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    console.error("LEFT OUT: a browser test of the TypeScript client, as no Chromium is found or can be installed");
    return undefined;
  }
}
