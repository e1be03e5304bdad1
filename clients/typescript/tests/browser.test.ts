// The client in a real browser, against a real gateway by gRPC-Web.

import * as assert from "node:assert/strict";
import * as path from "node:path";
import { test } from "node:test";
import { buildSync } from "esbuild";
import { Page, findBrowser } from "./support/page.js";
import { ROOT, World } from "./support/world.js";

const PACKAGE = path.join(ROOT, "clients/typescript");

test("a page publishes, consumes and administers by gRPC-Web", { timeout: 240_000 }, async (context) => {
  const browser = findBrowser();
  if (!browser) return context.skip("LEFT OUT: no Chromium");
  const page = await Page.serve();
  try {
    await using world = await World.start({ config: { "web.origins": page.origin } });
    const results = await page.visit(browser, program(`http://${world.gateways[0]}`));
    for (const [check, result] of Object.entries(results)) {
      await context.test(check, () => assert.equal(result, "ok"));
    }
    assert.ok(Object.keys(results).length >= 8);
  } finally {
    page.close();
  }
});

/** The page's program in one piece, as a web site would ship it. */
function program(gateway: string): string {
  const built = buildSync({
    absWorkingDir: PACKAGE,
    entryPoints: ["tests/browser/page.ts"],
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    define: { GATEWAY: JSON.stringify(gateway) },
  });
  return built.outputFiles[0].text;
}
