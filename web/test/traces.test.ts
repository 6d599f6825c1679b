import { describe, expect, it } from "vitest";
import { until, useBrowser, withPage } from "./page";

useBrowser();

describe("the list of traces", () => {
  it("is offered to those only who may see it", () =>
    withPage({}, async ({ page, mock }) => {
      const link = page.getByRole("link", { name: "Traces" });
      await link.waitFor();
      mock.state.scopes = ["chat", "feedback"];
      await page.reload();
      await page.getByRole("button", { name: /^Agent:/ }).waitFor();
      expect(await link.count()).toBe(0);
    }));

  it("says what was answered in the deployer's words", () =>
    withPage({ path: "/traces" }, async ({ page }) => {
      const rated = page.locator("[data-trace]").filter({ hasText: "Weather in Paris" });
      for (const text of ["Tone of voice", "Cold", "grounded", "No", "Judge"]) await rated.getByText(text, { exact: true }).waitFor();
      expect(await rated.getByLabel("Bad response").count()).toBe(1);
    }));

  it("says what a filter found, in a region that was there before", () =>
    withPage({ path: "/traces" }, async ({ page }) => {
      await page.locator("[data-trace]").first().waitFor();
      const said = () => page.getByRole("status").first().textContent();
      expect(await said()).toBe("");
      await page.getByRole("combobox", { name: "State" }).selectOption({ label: "Running" });
      await until(said, "No traces match.");
      await page.getByRole("combobox", { name: "State" }).selectOption({ label: "Failed" });
      await until(async () => `${await page.locator("[data-trace]").count()} trace` === (await said())?.replace(/s$/, ""), true);
    }));

  it("stays as it is while Live is off, also when the tab is come back to", () =>
    withPage({ path: "/traces" }, async ({ page }) => {
      await page.locator("[data-trace]").first().waitFor();
      let asked = 0;
      page.on("request", (request) => void (asked += Number(request.url().includes("/api/v1/traces?"))));
      const comeBack = () =>
        page.evaluate(async () => {
          document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
          await fetch("/icon.svg");
        });
      await page.getByRole("button", { name: "Live" }).click();
      const before = asked;
      await comeBack();
      expect(asked).toBe(before);
      await page.getByRole("button", { name: "Live" }).click();
      await comeBack();
      await until(() => asked > before, true);
    }));

  it("leads the keyboard to the new ones", () =>
    withPage({ path: "/traces", viewport: { width: 800, height: 400 } }, async ({ page, mock }) => {
      const list = page.getByRole("list", { name: "Traces" });
      await list.waitFor();
      for (let n = 0; n < 30; n++) mock.state.messages.set(`more-${n}`, { id: `more-${n}`, role: "assistant", content: `**Answer** ${n}`, timestamp: "2026-11-20T10:00:00Z", conversation: "conv-2", traceId: `req-${n}` });
      await page.reload();
      await page.locator('[data-trace="tr-more-29"]').waitFor();
      // Markdown is for the answer, not for its line in a list.
      await list.getByText("Answer 29", { exact: true }).waitFor();
      await page.locator("main").evaluate((main) => main.scrollTo({ top: main.scrollHeight }));
      const rest = [...mock.state.messages];
      mock.state.messages.clear();
      mock.state.messages.set("newest", { id: "newest", role: "assistant", content: "New", timestamp: "2026-11-20T11:00:00Z", conversation: "conv-2", traceId: "req-new" });
      for (const [id, message] of rest) mock.state.messages.set(id, message);
      await page.getByRole("button", { name: "New traces" }).press("Enter");
      await page.locator('[data-trace="tr-newest"]').waitFor();
      await page.keyboard.press("Tab");
      expect(await page.evaluate(() => document.activeElement?.getAttribute("data-trace"))).toBe("tr-newest");
    }));
});
