// What the tests of the console share: one browser, pages that complain, and a world of real servers.

import * as assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import * as path from "node:path";
import { type Browser, type BrowserContextOptions, type Locator, type Page, type Request, type Route, chromium } from "playwright-core";
import { ROOT, World } from "../../typescript/build/tests/support/world.js";

export { World };

/** The longest wait for anything, on a busy machine. */
const PATIENCE_MS = 60_000;

/** What was built last. */
const BUILT = path.join(ROOT, "clients/console/dist");
/** Whether pages are served as they are there, and not as they are inside the gateway. */
const SERVE_BUILT = process.env.CONSOLE_PAGES === "dist";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Where screenshots go; those of the README are taken over from there by UPDATE_SCREENSHOTS=1. */
const SHOTS =
  process.env.UPDATE_SCREENSHOTS === "1"
    ? path.join(ROOT, "clients/console/screenshots")
    : path.join(ROOT, "target/console");

/** A Chromium that is installed, or can be. */
export function findBrowser(): string | undefined {
  try {
    const script = path.join(ROOT, "clients/typescript/scripts/chromium.sh");
    return execFileSync("bash", [script], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    return undefined;
  }
}

/** An address that leads to this machine, which the browser does not know: a page from there is not secure. */
export const FAR = "10.1.2.3";

export async function launch(executablePath: string): Promise<Browser> {
  const far = [`--host-resolver-rules=MAP ${FAR} 127.0.0.1`, "--disable-features=BlockInsecurePrivateNetworkRequests,LocalNetworkAccessChecks"];
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--no-proxy-server", ...far] });
}

/** What is no mistake of the page: a gateway that is away, and a header that counts by TLS only. */
const NO_MISTAKES = /^(Failed to load resource|The Cross-Origin-Opener-Policy header has been ignored)/;

/** A page of the console, in a browser context of its own. */
export class Console {
  /** What the browser complained about: errors of scripts, and what the content policy refused. */
  readonly complaints: string[] = [];
  /** What was asked of anybody else than the console. */
  readonly elsewhere: string[] = [];
  /** The methods that were called, one by one. */
  readonly calls: string[] = [];
  /** Calls that are under way. */
  private readonly open = new Set<Request>();

  private constructor(
    readonly page: Page,
    private readonly origin: string,
  ) {
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !NO_MISTAKES.test(message.text())) this.complaints.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(`${origin}/`)) this.elsewhere.push(request.url());
      if (request.method() !== "POST") return;
      this.calls.push(request.url().split("/").at(-1)!);
      this.open.add(request);
    });
    page.on("requestfinished", (request) => this.open.delete(request));
    page.on("requestfailed", (request) => this.open.delete(request));
  }

  static async open(browser: Browser, world: World, place = "", options: Options = {}): Promise<Console> {
    const gateway = `http://${world.consoles[0]}`;
    const { host = "127.0.0.1", clock = false, ...others } = options;
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...others });
    const origin = gateway.replace("127.0.0.1", host);
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin });
    if (SERVE_BUILT) await context.route((url) => url.origin === origin, (route) => serveBuilt(route, gateway));
    else await assertIsBuilt(gateway);
    if (clock) await context.clock.install();
    const console = new Console(await context.newPage(), origin);
    await console.goto(place);
    return console;
  }

  async goto(place: string): Promise<void> {
    await this.page.goto(`${this.origin}/#/${place}`);
    // The title changes once the page is drawn.
    const [name, ...about] = place.split("/");
    const title = `${[...about.slice(0, 2), name || "streams"].join(" · ")} – jetgate`;
    await this.page.waitForFunction((title) => document.title === title, title);
  }

  /** How often a method was called so far. */
  called(method: string): number {
    return this.calls.filter((each) => each === method).length;
  }

  /** Waits until every call is answered. */
  async quiet(): Promise<void> {
    await eventually(() => Promise.resolve(this.open.size === 0), "answers to all calls");
  }

  /** Has time pass in the page, whose clock is the test's; calls are answered before more of it passes. */
  async pass(seconds: number): Promise<void> {
    const now = () => this.page.evaluate(() => Date.now());
    const end = (await now()) + 1_000 * seconds;
    while ((await now()) < end) {
      await this.quiet();
      await this.page.clock.runFor(1_000);
    }
    await this.quiet();
  }

  /** Has the page take itself for hidden, as behind another tab, or for seen. */
  async hide(hidden = true): Promise<void> {
    await this.page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  }

  /** How many looks the first chart shows; time passes until there is one that shows so many. */
  async charted(atLeast: number): Promise<number> {
    const line = this.page.locator("svg.chart polyline").first();
    return eventually(async () => {
      await this.pass(1);
      const points = (await line.count()) > 0 ? (await line.getAttribute("points"))!.split(" ").length : 0;
      return points >= atLeast && points;
    }, "a chart");
  }

  /** A button, link or field by its name. */
  button(name: string | RegExp): Locator {
    return this.page.getByRole("button", { name });
  }

  field(name: string | RegExp): Locator {
    return this.page.getByLabel(name);
  }

  /** The row of a table that has this text. */
  row(text: string | RegExp): Locator {
    return this.page.getByRole("row").filter({ hasText: text });
  }

  async sees(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor();
  }

  async copied(): Promise<string> {
    return this.page.evaluate(() => navigator.clipboard.readText());
  }

  /** Judges the page as it is now by the rules of WCAG that a program can judge. */
  async isAccessible(what: string): Promise<void> {
    await this.page.evaluate(AXE);
    const violations = await this.page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
      return (await axe.run()).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
    });
    assert.deepEqual(violations, [], what);
  }

  /** Takes a picture, small enough for a repository. */
  async shoot(name: string): Promise<string> {
    mkdirSync(SHOTS, { recursive: true });
    const file = path.join(SHOTS, `${name}.png`);
    await this.page.screenshot({ path: file, animations: "disabled" });
    return file;
  }

  /** Ends the page, which must not have complained. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
    assert.deepEqual(this.complaints, []);
    assert.deepEqual(this.elsewhere, []);
  }
}

interface Options extends BrowserContextOptions {
  /** The address by which the browser reaches the gateway, instead of 127.0.0.1. */
  host?: string;
  /** Whether time passes as the test says. */
  clock?: boolean;
}

/** Fails where the gateway has no pages inside, or others than were built. */
async function assertIsBuilt(origin: string): Promise<void> {
  const inside = await (await fetch(origin)).text();
  assert.equal(inside, readFileSync(path.join(BUILT, "index.html"), "utf8"), "the gateway has other pages inside: build it again");
}

/** Answers with a page that was built, and with the headers that the gateway has for it. */
async function serveBuilt(route: Route, gateway: string): Promise<void> {
  const request = route.request();
  if (request.method() !== "GET") return route.fallback();
  const { pathname } = new URL(request.url());
  const file = path.join(BUILT, pathname === "/" ? "index.html" : pathname);
  const headers = { ...(await route.fetch({ url: gateway + pathname })).headers() };
  for (const own of ["content-encoding", "content-length", "content-type"]) delete headers[own];
  await route.fulfill({ status: 200, headers, path: file });
}

interface Violation {
  id: string;
  nodes: { html: string }[];
}

/** Asks again until it is so. */
export async function eventually<T>(ask: () => Promise<T | undefined | false>, what: string): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await ask();
    if (found) return found;
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
