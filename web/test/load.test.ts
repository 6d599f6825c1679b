import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { ask, settled, useBrowser, withPage } from "./page";

useBrowser();

/** What a route may load of script, in kB as they travel: compressed. */
const budget = 230;

describe("the script that is loaded", () => {
  // Sizes, not times: the same on every machine.
  it.each([
    ["a chat, until an answer is there", "/", "message"],
    ["a conversation's trace", "/trace/conv-4-a", undefined],
  ])("for %s, is at most 230 kB", (_name, path, box) =>
    withPage({ path }, async ({ page }) => {
      const scripts = new Set<string>();
      page.on("response", (answer) => answer.request().resourceType() === "script" && scripts.add(answer.url()));
      await page.reload();
      if (box) {
        await ask(page, "Hello");
        await settled(page);
      } else await page.getByRole("tree").waitFor();
      const sizes = await Promise.all([...scripts].map(async (url) => [new URL(url).pathname, gzipSync(await (await fetch(url)).bytes(), { level: 9 }).length / 1000] as const));
      const total = sizes.reduce((sum, [, size]) => sum + size, 0);
      expect(sizes.length).toBeGreaterThan(2);
      expect(total, JSON.stringify(Object.fromEntries(sizes))).toBeLessThanOrEqual(budget);
    }));
});
