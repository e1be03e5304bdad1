// Long tables: a thousand streams and five thousand consumers stay fast to draw, scroll and filter.

import * as assert from "node:assert/strict";
import { test } from "node:test";
import { StorageType } from "jetgate";
import { Console, World, eventually, findBrowser, launch } from "./support.js";

const STREAMS = 1_000;
const CONSUMERS = 5_000;
/** The longest time to draw after a key: what people take for at once, on a machine that does other things, too. */
const AT_ONCE_MS = 500;

/** The longest time to list the consumers of all streams, with a call for each. */
const LISTED_MS = 120_000;

const executable = findBrowser();

test("a thousand streams and five thousand consumers", { skip: !executable && "LEFT OUT: no Chromium", timeout: 300_000 }, async () => {
  await using world = await World.start({ console: true });
  await using client = world.connect();
  await inParallel(STREAMS, (number) =>
    client.streams.create({ name: `S${number}`, subjects: [`s.${number}`], storage: StorageType.MEMORY }, { timeoutMs: 60_000 }),
  );
  await inParallel(CONSUMERS, (number) =>
    client.consumers.create(`S${number % STREAMS}`, { durableName: `c${number}` }, { timeoutMs: 60_000 }),
  );

  await using browser = await launch(executable!);
  for (const [place, rows, wanted] of [["", STREAMS, "S777"], ["consumers", CONSUMERS, "c4777"]] as const) {
    await using page = await Console.open(browser, world, place);
    const table = page.page.getByRole("table");
    await table.waitFor({ timeout: LISTED_MS });
    await eventually(async () => (await table.getAttribute("aria-rowcount")) === String(rows + 1), `${rows} rows`);
    assert.ok((await page.page.getByRole("row").count()) < 100, "only rows that are seen are drawn");

    // The end of the table comes into sight by the keyboard.
    await page.page.getByRole("region").focus();
    await page.page.keyboard.press("End");
    await page.page.locator(`[aria-rowindex="${rows + 1}"]`).waitFor();
    assert.ok((await page.page.getByRole("row").count()) < 100);

    const took = await page.page.evaluate(async (wanted) => {
      const input = document.querySelector<HTMLInputElement>("input[type=search]")!;
      const begun = performance.now();
      input.value = wanted;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      return performance.now() - begun;
    }, wanted);
    await page.row(wanted).waitFor();
    console.log(`${rows} rows were filtered and drawn in ${Math.round(took)} ms`);
    assert.ok(took < AT_ONCE_MS, `${took} ms`);
  }
});

/** Does something so many times, a few at a time. */
async function inParallel(count: number, act: (number: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}
