import { createRequire } from "node:module";
import type { Page, Route } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { serveExample } from "../../dev/example.mjs";
import { until, useBrowser, withPageOf } from "../page";
import { ratings, Server } from "../server";

useBrowser();

const up = { name: "Good response" };
const down = { name: "Bad response" };

/** Asks in the example's page. Returns the thumbs of the answer, and its id. */
async function asked(page: Page) {
  await page.getByLabel("Question").fill("Hello");
  await page.keyboard.press("Enter");
  const element = page.locator("thumbprint-feedback[client-request-id]");
  await element.getByRole("button", up).waitFor();
  return { element, id: (await element.getAttribute("client-request-id")) ?? "" };
}

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
      const { element, id } = await asked(page);
      await element.getByRole("button", down).click();
      await element.getByRole("group", { name: "What went wrong?" }).waitFor();
      await element.getByRole("button", { name: "Incomplete" }).click();
      await element.getByRole("textbox", { name: "Comment" }).fill("Half of it");
      await page.keyboard.press("Control+Enter");
      await element.locator('[data-delivery="delivered"]').waitFor();
      expect(await element.getByRole("textbox").count()).toBe(0);
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
      const { element, id } = await asked(page);
      await server.kill();
      await element.getByRole("button", up).click();
      await element.locator('[data-delivery="waiting"]').getByText("Will be sent").waitFor();
      await page.reload();
      await server.resume();
      await until(() => ratings(server.url, id), [true]);
      await until(() => page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("thumbprint.client.unsent"))), []);
    }));

  describe("in two tabs", () => {
    /** Another tab with the thumbs of the same answer. */
    async function tabBeside(page: Page, id: string) {
      const other = await page.context().newPage();
      other.setDefaultTimeout(8000);
      await other.goto(example.url);
      await other.evaluate((known) => {
        const again = document.createElement("thumbprint-feedback");
        again.setAttribute("client-request-id", known);
        document.getElementById("answers")?.append(again);
      }, id);
      return other;
    }

    /** Holds what the tabs send until it is let go. `sent` are the acts, each by its key: one that is sent again, unchanged, is the same one. */
    async function hold(page: Page) {
      const sent = new Set<string>();
      const held: Route[] = [];
      let letGo = false;
      await page.context().route("**/api/log_assessment", async (route) => {
        sent.add((await route.request().headerValue("Idempotency-Key")) ?? "none");
        if (letGo) await route.continue();
        else held.push(route);
      });
      return { sent, letGo: () => Promise.all([(letGo = true), ...held.map((route) => route.continue())]), held };
    }

    /** Whether somebody waits for his turn. */
    const waiting = (page: Page) => page.evaluate(async () => ((await navigator.locks.query()).pending?.length ?? 0) > 0);
    const pressed = (page: Page, button: { name: string }) => page.locator("thumbprint-feedback[client-request-id]").getByRole("button", button).getAttribute("aria-pressed");

    it("sends what both have kept once", () =>
      withPageOf(example.url, {}, async ({ page }) => {
        const { element, id } = await asked(page);
        await server.kill();
        await element.getByRole("button", up).click();
        await element.locator('[data-delivery="waiting"]').waitFor();
        const other = await tabBeside(page, id);
        await other.locator('[data-delivery="waiting"]').waitFor();
        const { sent, letGo, held } = await hold(page);
        await server.resume();
        for (const tab of [page, other]) await tab.evaluate(() => dispatchEvent(new Event("online")));
        await until(() => waiting(page), true);
        await until(() => held.length, 1);
        await letGo();
        for (const tab of [page, other]) await tab.locator('[data-delivery="delivered"]').waitFor();
        expect(sent.size).toBe(1);
        expect(await ratings(server.url, id)).toEqual([true]);
        expect(await page.evaluate(() => Object.keys(localStorage))).toEqual([]);
      }));

    it("lets no older press pass a newer one, and both show the newer one", () =>
      withPageOf(example.url, {}, async ({ page }) => {
        const { element, id } = await asked(page);
        const other = await tabBeside(page, id);
        const { sent, letGo, held } = await hold(page);
        await element.getByRole("button", up).click();
        await until(() => held.length, 1);
        await other.locator("thumbprint-feedback").getByRole("button", down).click();
        await until(() => waiting(page), true);
        await until(() => pressed(page, down), "true");
        expect(held.length).toBe(1);
        await letGo();
        await until(() => ratings(server.url, id), [false]);
        for (const tab of [page, other]) await tab.locator('[data-delivery="delivered"]').waitFor();
        expect([await pressed(page, down), await pressed(other, down), await pressed(page, up)]).toEqual(["true", "true", "false"]);
        expect(sent.size).toBe(2);
        expect(await ratings(server.url, id)).toEqual([false]);
      }));
  });

  it("shows what the server knows, and goes back when there is nothing to rate", () =>
    withPageOf(example.url, {}, async ({ page }) => {
      const { element, id } = await asked(page);
      await element.getByRole("button", up).click();
      await element.locator('[data-delivery="delivered"]').waitFor();
      await page.reload();
      const looks: string[] = [];
      page.on("request", (request) => request.url().includes("/feedback?") && looks.push(request.url()));
      await page.evaluate((known) => {
        // As markup: then all attributes come to an element that is in the page already.
        const markup = (name: string) => `<thumbprint-feedback client-request-id="${name}" name="user_feedback" agent-id="demo" lang="en"></thumbprint-feedback>`;
        document.getElementById("answers")!.innerHTML = markup(known) + markup("req-ffffffffffffffff");
      }, id);
      await until(() => element.first().getByRole("button", up).getAttribute("aria-pressed"), "true");
      expect(looks.length).toBe(2);
      await element.last().getByRole("button", up).click();
      await element.last().getByText("Trace not found for feedback").waitFor();
      expect(await element.last().getByRole("button", up).getAttribute("aria-pressed")).toBe("false");
      expect(await element.last().getByRole("textbox").count()).toBe(0);
    }));

  it("has no violation that axe knows, in either theme, and takes the page's colours", async () => {
    const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
    for (const colorScheme of ["light", "dark"] as const) {
      await withPageOf(example.url, { bypassCSP: true, colorScheme, locale: "de-DE" }, async ({ page }) => {
        const { element } = await asked(page);
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
