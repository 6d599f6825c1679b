import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answers, ask, listen, settled, until, useBrowser, withPageOf } from "../page";
import { ratings, Server } from "../server";

useBrowser();

const down = { name: "Bad response" };

/** Presses a key until what has the focus is called so. */
async function moveTo(page: Page, name: RegExp, key = "Tab") {
  for (let press = 0; press < 80; press++) {
    const at = await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
    if (name.test(at)) return;
    await page.keyboard.press(key);
  }
  expect.fail(`${key} never comes to ${name}`);
}

describe("on the real server, the page can be used", () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start();
  });
  afterAll(() => server?.end());

  it("without a mouse: ask, stop, rate with a reason, search, rename, delete, undo", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      const said = await listen(page);
      await until(() => page.evaluate(() => document.activeElement?.id), "message");
      await page.keyboard.type("Answer slowly");
      await page.keyboard.press("Enter");
      await answers(page).last().getByText(/\w+ \w+ \w+ \w+/).first().waitFor();
      await page.keyboard.press("Escape");
      const answer = await settled(page, "stopped");
      await until(async () => (await said()).includes("Answer stopped"), true);

      await moveTo(page, /^Bad response$/, "Shift+Tab");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor();
      await moveTo(page, /^Incomplete$/);
      await page.keyboard.press("Space");
      await page.keyboard.press("Control+Enter");
      await answer.locator('[data-delivery="delivered"]').waitFor();
      expect(await ratings(server.url, (await answer.getAttribute("data-trace-id")) ?? "")).toEqual([false]);

      await page.keyboard.press("Control+k");
      await page.keyboard.type("slowly");
      await page.locator("mark").first().waitFor();
      await moveTo(page, /^Options for/);
      await page.keyboard.press("Enter");
      await page.getByRole("menuitem", { name: "Rename" }).waitFor();
      await moveTo(page, /^Rename/, "ArrowDown");
      await page.keyboard.press("Enter");
      const title = page.getByRole("textbox", { name: "Conversation title" });
      await title.waitFor();
      await page.keyboard.press("Control+a");
      await page.keyboard.type("The slow one");
      await page.keyboard.press("Enter");
      await title.waitFor({ state: "detached" });
      await moveTo(page, /^Options for The slow one$/);
      await page.keyboard.press("Enter");
      await page.getByRole("menuitem", { name: "Delete" }).waitFor();
      await moveTo(page, /^Delete/, "ArrowDown");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "Undo" }).waitFor();
      await moveTo(page, /^Undo$/);
      await page.keyboard.press("Enter");
      await page.getByRole("link", { name: "The slow one" }).waitFor();
    }));

  it("by ear: how an answer goes, and what becomes of a vote", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      const said = await listen(page);
      const heard = (text: string) => expect.poll(said, { timeout: 8000 }).toContain(text);
      await ask(page, "Hello");
      await heard("Generating…");
      await settled(page);
      await heard("Answer complete");
      await ask(page, "fail late");
      const answer = await settled(page, "failed");
      await heard("The answer failed");
      await answer.getByRole("button", { name: "Good response" }).press("Enter");
      await heard("Rating saved");
      await page.keyboard.press("Escape");
      await page.context().setOffline(true);
      await answer.getByRole("button", down).press("Enter");
      await heard("Will be sent");
      await page.context().setOffline(false);
      await answer.locator('[data-delivery="delivered"]').waitFor();
      expect(await ratings(server.url, (await answer.getAttribute("data-trace-id")) ?? "")).toEqual([false]);
    }));

  it("in two tabs: what is asked and rated in one is in the other", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      await ask(page, "Hello");
      await settled(page);
      const other = await page.context().newPage();
      await other.goto(page.url());
      // Playwright's pages never hide each other, so the event is sent by hand.
      const shown = (one: Page) => one.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
      await answers(other).last().getByRole("button", down).click();
      await other.locator('[data-delivery="delivered"]').waitFor();
      await other.keyboard.press("Escape");
      await ask(other, "weather in Paris");
      await other.getByText("in Paris.").waitFor();
      await settled(other);
      await shown(page);
      await until(() => answers(page).count(), 2);
      await until(() => answers(page).first().getByRole("button", down).getAttribute("aria-pressed"), "true");
    }));

  it("on a slow network: a vote is seen before the server knows, words before the answer's end", () =>
    withPageOf(server.url, { reducedMotion: "reduce" }, async ({ page }) => {
      // The page itself is there: what draws messages comes after its first view.
      await page.waitForLoadState("networkidle");
      const session = await page.context().newCDPSession(page);
      await session.send("Network.enable");
      await session.send("Network.emulateNetworkConditions", { offline: false, latency: 1500, downloadThroughput: 8000, uploadThroughput: 8000 });
      await ask(page, "Answer slowly");
      await answers(page).last().getByText(/\w+ \w+ \w+ \w+/).first().waitFor();
      expect(await answers(page).last().getAttribute("data-status")).toBe("streaming");
      // And for who wants no motion, nothing moves meanwhile.
      expect(await page.evaluate(() => document.getAnimations().filter(({ effect }) => Number(effect?.getComputedTiming().duration) > 1).length)).toBe(0);
      await page.keyboard.press("Escape");
      const answer = await settled(page, "stopped");
      const seen = await answer.getByRole("button", down).evaluate(async (button) => {
        (button as HTMLElement).click();
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        return [button.getAttribute("aria-pressed"), button.closest("article")?.querySelector('[data-delivery="delivered"]')];
      });
      expect(seen).toEqual(["true", null]);
      await answer.locator('[data-delivery="delivered"]').waitFor();
    }));

  it.each([
    ["at 320 px", { width: 320, height: 640 }],
    ["at 200 % zoom", { width: 640, height: 400 }],
  ])("%s: nothing sticks out of an answer or of its trace", (_name, viewport) =>
    withPageOf(server.url, { viewport }, async ({ page }) => {
      const wide = () => page.evaluate(() => document.documentElement.scrollWidth);
      await ask(page, "Show me a table and some code");
      const answer = await settled(page);
      expect(await wide()).toBeLessThanOrEqual(viewport.width);
      await answer.getByRole("link", { name: "Open trace" }).click();
      await page.getByRole("treeitem").first().waitFor();
      expect(await wide()).toBeLessThanOrEqual(viewport.width);
    }));
});
