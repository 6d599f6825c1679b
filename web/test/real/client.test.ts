import { createRequire } from "node:module";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { serveExample } from "../../dev/example.mjs";
import { until, useBrowser, withPageOf } from "../page";
import { ratings, Server } from "../server";

useBrowser();

const up = { name: "Good response" };
const down = { name: "Bad response" };

describe("the element in a page of somebody else's", () => {
  let server: Server;
  let example: { url: string; close(): Promise<void> };
  beforeAll(async () => {
    server = await Server.start();
  });
  beforeEach(async () => {
    example = await serveExample(server.url);
  });
  afterEach(() => example?.close());
  afterAll(() => server?.end());

  it("rates an answer, with reasons and a comment, changes it and takes it back", () =>
    withPageOf(example.url, { bypassCSP: false }, async ({ page }) => {
      await page.getByLabel("Question").fill("Hello");
      await page.keyboard.press("Enter");
      const element = page.locator("thumbprint-feedback[client-request-id]");
      await element.getByRole("button", down).click();
      await element.getByRole("group", { name: "What went wrong?" }).waitFor();
      await element.getByRole("button", { name: "Incomplete" }).click();
      await element.getByRole("textbox", { name: "Comment" }).fill("Half of it");
      await page.keyboard.press("Control+Enter");
      await element.locator('[data-delivery="delivered"]').waitFor();
      expect(await element.getByRole("textbox").count()).toBe(0);
      const id = (await element.getAttribute("client-request-id")) ?? "";
      expect(await ratings(server.url, id)).toEqual([false]);
      await element.getByRole("button", { name: "Edit your comment: Half of it" }).click();
      expect(await element.getByRole("button", { name: "Incomplete" }).getAttribute("aria-pressed")).toBe("true");
      await page.keyboard.press("Escape");
      await element.getByRole("button", up).click();
      await until(() => ratings(server.url, id), [true]);
      await element.getByRole("button", up).click();
      await until(() => ratings(server.url, id), []);
      expect(await element.getByRole("button", up).getAttribute("aria-pressed")).toBe("false");
    }));

  it("keeps a rating while the server is away, also over a reload, and then sends it once", () =>
    withPageOf(example.url, {}, async ({ page }) => {
      await page.getByLabel("Question").fill("Hello");
      await page.keyboard.press("Enter");
      const element = page.locator("thumbprint-feedback[client-request-id]");
      await element.getByRole("button", up).waitFor();
      const id = (await element.getAttribute("client-request-id")) ?? "";
      await server.kill();
      await element.getByRole("button", up).click();
      await element.locator('[data-delivery="waiting"]').getByText("Will be sent").waitFor();
      await page.reload();
      await server.resume();
      await until(() => ratings(server.url, id), [true]);
      await until(() => page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("thumbprint.client.unsent"))), []);
    }));

  it("shows what the server knows, and goes back when there is nothing to rate", () =>
    withPageOf(example.url, {}, async ({ page }) => {
      await page.getByLabel("Question").fill("Hello");
      await page.keyboard.press("Enter");
      const element = page.locator("thumbprint-feedback[client-request-id]");
      await element.getByRole("button", up).click();
      await element.locator('[data-delivery="delivered"]').waitFor();
      const id = (await element.getAttribute("client-request-id")) ?? "";
      await page.reload();
      await page.evaluate((known) => {
        for (const name of [known, "req-ffffffffffffffff"]) {
          const again = document.createElement("thumbprint-feedback");
          again.setAttribute("client-request-id", name);
          document.getElementById("answers")?.append(again);
        }
      }, id);
      await until(() => element.first().getByRole("button", up).getAttribute("aria-pressed"), "true");
      await element.last().getByRole("button", up).click();
      await element.last().getByText("Trace not found for feedback").waitFor();
      expect(await element.last().getByRole("button", up).getAttribute("aria-pressed")).toBe("false");
      expect(await element.last().getByRole("textbox").count()).toBe(0);
    }));

  it("has no violation that axe knows, in either theme, and takes the page's colours", async () => {
    const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
    for (const colorScheme of ["light", "dark"] as const) {
      await withPageOf(example.url, { bypassCSP: true, colorScheme, locale: "de-DE" }, async ({ page }) => {
        await page.getByLabel("Question").fill("Hello");
        await page.keyboard.press("Enter");
        const element = page.locator("thumbprint-feedback[client-request-id]");
        await element.getByRole("button", down).click();
        await element.locator('[data-delivery="delivered"]').waitFor();
        const accent = await element.getByRole("button", down).evaluate((button) => getComputedStyle(button).color);
        expect(accent).toBe(colorScheme === "light" ? "rgb(122, 46, 142)" : "rgb(224, 168, 239)");
        await page.addScriptTag({ path: axe });
        const found = await page.evaluate(() => (globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }).axe.run());
        expect(found.violations.map(({ id, nodes }) => [id, nodes[0]?.html])).toEqual([]);
        if (process.env.LOOK) await page.screenshot({ path: `${process.env.LOOK}/example-${colorScheme}.png` });
      });
    }
  });
});
