import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, settled, until, useBrowser, withPageOf } from "../page";
import { Server } from "../server";

useBrowser();

describe("the list of traces", () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start();
  });
  afterAll(() => server?.end());

  it("says when there is nothing, and when nothing matches", () =>
    withPageOf(`${server.url}/traces`, {}, async ({ page }) => {
      await page.getByText("There are no traces yet.").waitFor();
      await page.getByRole("searchbox", { name: /^Search text/ }).fill("no such words");
      await page.locator("#conversation").getByText("No traces match.").waitFor();
      // What is no number is none, and the list does not ask for it again and again.
      await page.getByRole("button", { name: "Clear filters" }).first().click();
      await page.getByRole("button", { name: "More filters" }).click();
      const slower = page.getByRole("textbox", { name: /ms long/ });
      await slower.fill("25x0");
      await until(() => new URL(page.url()).search, "?slower_than_ms=250");
      await page.keyboard.press("Tab");
      expect(await slower.inputValue()).toBe("250");
    }));

  it("shows new ones by itself, keeps its filters in the address, and is where a trace leads back to", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      await ask(page, "hello");
      const answer = await settled(page);
      await answer.getByRole("button", { name: "Bad response" }).click();
      await answer.locator('[data-delivery="delivered"]').waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("link", { name: "Traces" }).click();
      const rows = page.locator("[data-trace]");
      await rows.first().waitFor();
      await until(() => rows.count(), 1);
      await rows.first().getByLabel("Bad response").waitFor();

      const asked = await fetch(`${server.url}/api/v1/agents/demo/invocations`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: '{"messages":[{"role":"user","content":"fail"}],"stream":false}',
      });
      expect(asked.headers.get("x-client-request-id")).toMatch(/^req-/);
      await until(() => rows.count(), 2);
      await rows.first().getByLabel("Failed").waitFor();

      await page.getByRole("combobox", { name: "State" }).selectOption("ERROR");
      await until(() => rows.count(), 1);
      expect(page.url()).toContain("/traces?state=ERROR");
      await page.reload();
      await rows.first().getByLabel("Failed").waitFor();
      expect(await rows.count()).toBe(1);
      await page.getByRole("button", { name: "Clear filters" }).click();
      await until(() => rows.count(), 2);

      await rows.first().focus();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      await page.getByRole("treeitem").first().waitFor();
      expect(page.url()).toMatch(/\/traces\/tr-/);
      await page.getByRole("link", { name: "Back to the traces" }).click();
      await until(() => rows.count(), 2);
    }));
});
