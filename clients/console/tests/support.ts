// What the tests of the console share: one browser, pages that complain, and a world of real servers.

import * as assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import * as path from "node:path";
import { type Browser, type BrowserContextOptions, type Locator, type Page, chromium } from "playwright-core";
import { ROOT, World } from "../../typescript/build/tests/support/world.js";

export { World };

/** The longest wait for anything, on a busy machine. */
const PATIENCE_MS = 30_000;

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
  } catch {
    return undefined;
  }
}

export async function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--no-proxy-server"] });
}

/** A page of the console, in a browser context of its own. */
export class Console {
  /** What the browser complained about: errors of scripts, and what the content policy refused. */
  readonly complaints: string[] = [];
  /** What was asked of anybody else than the console. */
  readonly elsewhere: string[] = [];

  private constructor(
    readonly page: Page,
    private readonly origin: string,
  ) {
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      // A gateway that is away is no mistake of the page.
      const isNetwork = message.text().startsWith("Failed to load resource");
      if (message.type() === "error" && !isNetwork) this.complaints.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(`${origin}/`)) this.elsewhere.push(request.url());
    });
  }

  static async open(browser: Browser, world: World, place = "", options: BrowserContextOptions = {}): Promise<Console> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const origin = `http://${world.consoles[0]}`;
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin });
    const console = new Console(await context.newPage(), origin);
    await console.goto(place);
    return console;
  }

  async goto(place: string): Promise<void> {
    await this.page.goto(`${this.origin}/#/${place}`);
    assert.equal(await this.page.locator("#app").count(), 1, "the gateway has no console inside: `make console`, and build it again");
    // The title changes once the page is drawn.
    const [name, ...about] = place.split("/");
    const title = `${[...about.slice(0, 2), name || "streams"].join(" · ")} – jetgate`;
    await this.page.waitForFunction((title) => document.title === title, title);
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
