import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { until, useBrowser, withPage, type Mock } from "./page";

useBrowser();

const count = 10_000;

/** As many conversations, one an hour, so that each age has some. */
function fill(mock: Mock): void {
  const start = Date.now();
  for (let n = 0; n < count; n++) {
    const at = new Date(start - n * 3_600_000).toISOString();
    mock.state.conversations.set(`many-${n}`, { id: `many-${n}`, title: `Conversation number ${n}`, agent_id: "demo", created_at: at, updated_at: at });
  }
}

const listOf = (page: Page) => page.getByRole("navigation", { name: "Conversations" });

/** Scrolls the list until `read` is true of it. */
const scrollUntil = (page: Page, title: string) =>
  page.evaluate(async (wanted) => {
    const frame = document.querySelector("[data-history]") as HTMLElement;
    for (let step = 0; step < 9000; step++) {
      const shown = [...frame.querySelectorAll("a")].some((link) => link.textContent === wanted);
      if (shown) return true;
      frame.scrollTop += 1200;
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    return false;
  }, title);

const scrollTo = (page: Page, top: number) => page.evaluate((to) => document.querySelector("[data-history]")?.scrollTo(0, to), top);

describe("a history of ten thousand conversations", () => {
  it("draws what is in sight, loads the rest by being scrolled, and opens the oldest", () =>
    withPage({}, async ({ page, mock }) => {
      fill(mock);
      mock.state.conversations.set("oldest", { id: "oldest", title: "The oldest of all", agent_id: "demo", created_at: "2020-01-01T00:00:00Z", updated_at: "2020-01-01T00:00:00Z" });
      await page.reload();
      const list = listOf(page);
      await list.getByRole("link", { name: "Conversation number 0", exact: true }).waitFor();
      for (const age of ["Today", "Yesterday"]) await list.getByRole("heading", { name: age }).waitFor();
      expect(await scrollUntil(page, "The oldest of all")).toBe(true);
      expect(await list.getByRole("listitem").count()).toBeLessThan(80);
      const oldest = list.getByRole("listitem").filter({ hasText: "The oldest of all" });
      const [position, size] = await Promise.all([oldest.getAttribute("aria-posinset"), oldest.getAttribute("aria-setsize")]);
      expect(position).toBe(size);
      await oldest.getByRole("link").click();
      await until(() => new URL(page.url()).pathname, "/c/oldest");
      // It was found far down; opening it leaves it in sight.
      expect(await oldest.getByRole("link").getAttribute("aria-current")).toBe("page");
    }));

  it("goes on with Tab beyond what was drawn, and keeps what has the focus", () =>
    withPage({}, async ({ page, mock }) => {
      fill(mock);
      await page.reload();
      const link = listOf(page).getByRole("link", { name: "Conversation number 0", exact: true });
      await link.focus();
      const focused = () => page.evaluate(() => document.activeElement?.closest("li")?.textContent ?? "");
      // Each has a link and a menu.
      for (let n = 0; n < 90; n++) await page.keyboard.press("Tab");
      const kept = await focused();
      expect(Number(/number (\d+)$/.exec(kept)?.[1])).toBeGreaterThan(37);
      await page.evaluate(async () => {
        const frame = document.querySelector("[data-history]") as HTMLElement;
        for (let step = 0; step < 60; step++) {
          frame.scrollTop += 900;
          await new Promise((resolve) => requestAnimationFrame(resolve));
        }
      });
      await until(() => listOf(page).getByRole("link", { name: "Conversation number 0", exact: true }).count(), 0);
      expect(await focused()).toBe(kept);
    }));

  it("covers no title by its menu, whichever way that is written", () =>
    withPage({ hasTouch: true }, async ({ page }) => {
      for (const title of ["سؤال عن الطلب", "First try"]) {
        const row = listOf(page).getByRole("listitem").filter({ hasText: title });
        const words = row.getByText(title);
        await words.waitFor();
        const apart = await words.evaluate((element) => {
          const range = document.createRange();
          range.selectNodeContents(element);
          const [text, button] = [range, element.closest("li")?.querySelector("button") as Element].map((one) => one.getBoundingClientRect());
          return !text || !button || text.right <= button.left || text.left >= button.right;
        });
        expect(apart, title).toBe(true);
      }
    }));

  it("is renamed from the conversation's own menu too", () =>
    withPage({ path: "/c/conv-2" }, async ({ page, mock }) => {
      await page.getByText("An answer about").waitFor();
      await page.getByRole("button", { name: "Options for this conversation" }).press("Enter");
      await page.getByRole("menuitem", { name: "Rename" }).press("Enter");
      await page.getByRole("textbox", { name: "Conversation title" }).waitFor();
      await page.keyboard.type("**Another** name");
      await page.keyboard.press("Enter");
      await until(() => (mock.state.conversations.get("conv-2") as { title: string }).title, "**Another** name");
      await listOf(page).getByRole("link", { name: "Another name", exact: true }).waitFor();
      await until(() => page.title(), "Another name · Thumbprint");
    }));

  it("begins a search at its top", () =>
    withPage({}, async ({ page, mock }) => {
      fill(mock);
      await page.reload();
      const list = listOf(page);
      await list.getByRole("link", { name: "Conversation number 0", exact: true }).waitFor();
      await scrollUntil(page, "Conversation number 400");
      await page.keyboard.press("Control+k");
      await page.keyboard.type("number 9999");
      await until(() => list.getByRole("listitem").count(), 1);
      await list.getByRole("link", { name: "Conversation number 9999" }).waitFor();
    }));

  it("offers to show more when that failed", () =>
    withPage({}, async ({ page, mock }) => {
      fill(mock);
      const list = listOf(page);
      await page.reload();
      await list.getByRole("link", { name: "Conversation number 0", exact: true }).waitFor();
      mock.faults.list = 400;
      await scrollTo(page, 1e6);
      const more = list.getByRole("button", { name: "Show more" });
      await more.waitFor();
      mock.faults.list = 0;
      await more.click();
      await more.waitFor({ state: "detached" });
      expect(await scrollUntil(page, "Conversation number 250")).toBe(true);
    }));
});
