import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { answers, ask, settled, until, useBrowser, withPage } from "./page";

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
      expect(sizes.length).toBeGreaterThan(1);
      expect(total, JSON.stringify(Object.fromEntries(sizes))).toBeLessThanOrEqual(budget);
    }));
});

/** Keeps the part that draws conversations away until `let` is called; tells how often it was asked for. */
async function withhold(page: Page) {
  await page.waitForLoadState("networkidle"); // it is loaded after the first view
  let away = true;
  let asked = 0;
  await page.route("**/assets/rest.js", (route) => {
    asked++;
    return away ? route.abort() : route.continue();
  });
  return { asked: () => asked, give: () => (away = false) };
}

describe("a part of the page that cannot be had", () => {
  it("keeps nobody from asking, and is sought until it is there", () =>
    withPage({}, async ({ page, mock }) => {
      const rest = await withhold(page);
      // As after a first reload, which did not help.
      await page.addInitScript(() => sessionStorage.setItem("reloaded", String(Date.now())));
      await page.reload();
      await until(() => rest.asked() > 1, true);
      await ask(page, "Hello");
      await page.getByRole("main").getByText("Loading").waitFor();
      await until(() => mock.seen.invoke.length, 1);
      rest.give();
      await settled(page);
      expect(await answers(page).last().textContent()).toContain("You said: Hello");
    }));

  it("is sought in a new page, once; but not while the server is away", () =>
    withPage({}, async ({ page }) => {
      const rest = await withhold(page);
      let loads = 0;
      page.on("domcontentloaded", () => loads++);
      let away = true;
      await page.route((url) => url.pathname === "/", (route) => (away && !route.request().isNavigationRequest() ? route.abort() : route.continue()));
      await page.reload();
      await until(() => rest.asked() > 2, true);
      expect(loads).toBe(1);
      away = false;
      await until(() => loads, 2);
      const before = rest.asked();
      await until(() => rest.asked() > before + 2, true);
      expect(loads).toBe(2);
    }));
});
