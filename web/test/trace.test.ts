import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { until, useBrowser, withPage, type Opened } from "./page";

useBrowser();

const at = "/trace/conv-2-a";
const details = (page: Page) => page.getByRole("region", { name: "Span details" });
const span = (page: Page, name: RegExp) => page.getByRole("treeitem", { name });
const spans = (page: Page) => page.getByRole("treeitem");

/** A trace page of this kind of trace. */
const withTrace = (trace: Opened["mock"]["faults"]["trace"], options: Parameters<typeof withPage>[0], test: (page: Page) => Promise<void>) =>
  withPage(options, async ({ page, mock }) => {
    mock.faults.trace = trace;
    await page.goto(mock.url + at);
    await page.getByRole("region", { name: "Request", exact: true }).waitFor();
    await test(page);
  });

describe("the trace page", () => {
  it("calls ratings what the deployer calls them, and keeps the cards of request and answer apart", () =>
    withPage({}, async ({ page, mock }) => {
      const labels = { no_greeting: { en: "It did not greet me" }, cold: { en: "Cold as ice" } };
      const dimensions = [{ name: "tone", type: "category", categories: ["cold"], label: { en: "Tone of voice" }, labels }];
      await page.route("**/api/v1/agents", (route) => route.fulfill({ json: { items: [{ id: "demo", name: "Demo agent", protocol: "demo", suggested_prompts: [], feedback: { open: false, dimensions } }] } }));
      const { traceId: target } = mock.state.messages.get("conv-2-a") as { traceId: string };
      const entry = { id: "fb-1", target, kind: "feedback", name: "tone", value: "cold", reasons: ["no_greeting"], rationale: "", source_id: "ada", withdrawn: false, version: 1, delivery: "delivered", created_at: "2026-11-20T10:00:00Z", updated_at: "2026-11-20T10:00:00Z" };
      mock.state.feedback.set(entry.id, entry as never);
      await page.goto(mock.url + at);
      const feedback = page.getByRole("region", { name: "Ratings", exact: true });
      for (const text of ["Tone of voice", "Cold as ice", "It did not greet me", "By ada"]) await feedback.getByText(text).waitFor();
      const heights = await Promise.all(["Request", "Answer"].map((name) => page.getByRole("region", { name, exact: true }).evaluate((card) => (card.lastElementChild?.getBoundingClientRect().bottom ?? 0) + 16 + 1 - card.getBoundingClientRect().bottom)));
      for (const stretched of heights) expect(Math.abs(stretched)).toBeLessThan(1);
    }));

  it("waits for the trace, then shows request, answer, spans and the rating", () =>
    withPage({ path: "/c/conv-2" }, async ({ page, mock }) => {
      await page.getByRole("button", { name: "Bad response" }).click();
      await page.getByRole("button", { name: "Incomplete" }).click();
      await page.getByRole("button", { name: "Send", exact: true }).click();
      await page.getByText("On the trace").waitFor();
      mock.faults.traceReadyAfter = 2;
      await page.getByRole("link", { name: "Open trace" }).click();
      await page.getByText("Waiting for the trace…").waitFor();
      await page.getByRole("region", { name: "Request", exact: true }).getByText("How do I return an order?").waitFor();
      const feedback = page.getByRole("region", { name: "Ratings", exact: true });
      for (const text of ["user_feedback", "No", "Person", "Incomplete", "By somebody without a name"]) await feedback.getByText(text).first().waitFor();
      expect(await page.getByRole("link", { name: "Open in MLflow" }).getAttribute("rel")).toContain("noopener");
      await page.getByRole("link", { name: "Back to the chat" }).click();
      await until(() => new URL(page.url()).pathname, "/c/conv-2");
    }));

  it("shows the span that a link names, wherever in the tree it is", () =>
    withPage({ path: "/" }, async ({ page, mock }) => {
      mock.faults.trace = "large";
      await page.goto(`${mock.url}${at}?span=d300b`);
      await details(page).getByText("summarise").waitFor();
      const seen = () =>
        page.locator('[aria-selected="true"]').evaluate((row) => {
          const frame = row.closest("ul")?.parentElement?.getBoundingClientRect();
          const { top, bottom } = row.getBoundingClientRect();
          return frame !== undefined && top >= frame.top && bottom <= frame.bottom;
        });
      await until(seen, true);
    }));

  it("has a tree for the keyboard, and keeps the chosen span in its address", () =>
    withTrace("plain", {}, async (page) => {
      await spans(page).first().focus();
      for (let n = 0; n < 3; n++) await page.keyboard.press("ArrowDown");
      await details(page).getByText("write_answer").waitFor();
      await page.keyboard.press("ArrowLeft");
      expect(await spans(page).count()).toBe(4);
      await page.keyboard.press("ArrowLeft");
      await page.keyboard.press("ArrowLeft");
      expect(await spans(page).count()).toBe(1);
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowRight");
      await details(page).getByText("search_documents").waitFor();
      expect(new URL(page.url()).search).toBe("?span=a2");
      await page.reload();
      await details(page).getByText("search_documents").waitFor();
      expect(await span(page, /search_documents/).getAttribute("aria-selected")).toBe("true");
    }));

  it("shows messages as messages, documents with their links, and JSON that folds", () =>
    withTrace("plain", {}, async (page) => {
      await span(page, /write_answer/).click();
      const inputs = details(page).getByRole("region", { name: "Inputs" });
      for (const words of ["System", "Name the sources you used.", "Calls", "get_weather", '"celsius"', "Tool result", "temp:", "temperature"]) await inputs.getByText(words).first().waitFor();
      await details(page).getByText("demo / rules-1 · 412 in · 188 out · $0.00124").waitFor();
      await inputs.getByRole("button", { name: "Show as JSON" }).click();
      await inputs.getByText('"system"').waitFor();

      await span(page, /search_documents/).click();
      const outputs = details(page).getByRole("region", { name: "Outputs" });
      expect(await outputs.getByRole("link", { name: "Tracing" }).getAttribute("href")).toBe("https://example.com/docs/tracing");
      const before = (await outputs.innerText()).length;
      await outputs.getByRole("button", { name: /Show all/ }).click();
      expect((await outputs.innerText()).length).toBeGreaterThan(before + 1000);

      await span(page, /get_weather/).click();
      await outputs.getByText("hours: [ 24 ]").click();
      await outputs.getByText("23:").waitFor();
      await outputs.getByText("hours: [").click();
      await outputs.getByText("hours: [ 24 ]").waitFor();
    }));

  it("leads from a failure to where it began, also inside what is closed", () =>
    withTrace("failed", {}, async (page) => {
      await page.getByText("Failed", { exact: true }).first().waitFor();
      await page.getByRole("button", { name: "Collapse all" }).click();
      expect(await spans(page).count()).toBe(1);
      await page.getByRole("button", { name: "1 error" }).click();
      await details(page).getByText("TimeoutError: search_orders did not answer within 5 s").first().waitFor();
      await until(() => span(page, /search_orders/).evaluate((item) => item === document.activeElement), true);
      await details(page).getByText("Stack trace").click();
      await details(page).getByText('File "/app/tools.py", line 31').waitFor();
    }));

  it("brings details into view on a phone, where they are below the tree", () =>
    withTrace("large", { viewport: { width: 320, height: 640 }, reducedMotion: "reduce" }, async (page) => {
      expect(await spans(page).count()).toBe(500); // more are drawn when they are asked for, or gone to
      await page.getByRole("button", { name: /^Show more/ }).waitFor();
      await spans(page).first().focus();
      await page.keyboard.press("End");
      await until(() => spans(page).last().evaluate((item) => item === document.activeElement), true);
      expect(await spans(page).count()).toBe(1000);
      await span(page, /read_document_1 /).first().click();
      await until(() => details(page).evaluate((element) => element.getBoundingClientRect().top < innerHeight / 2), true);
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    }));

  it.each(["light", "dark"] as const)("has nothing that axe finds, %s, in German too", (colorScheme) =>
    withPage({ colorScheme, bypassCSP: true, locale: "de-DE", reducedMotion: "reduce" }, async ({ page, mock }) => {
      for (const trace of ["plain", "failed"] as const) {
        mock.faults.trace = trace;
        await page.goto(`${mock.url}${at}?span=${trace === "failed" ? "f4" : "a4"}`);
        await page.getByRole("region", { name: "Anfrage", exact: true }).waitFor();
        await page.addScriptTag({ path: createRequire(import.meta.url).resolve("axe-core/axe.min.js") });
        const found = await page.evaluate(() => (globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }).axe.run());
        expect([trace, ...found.violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])]).toEqual([trace]);
      }
    }));
});
