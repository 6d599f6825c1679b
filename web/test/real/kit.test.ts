import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildReactExample, serveExample } from "../../dev/example.mjs";
import { until, useBrowser, withPageOf } from "../page";
import { ratings, Server } from "../server";

useBrowser();

let server: Server;
let example: { url: string; close(): Promise<void> };
const out = mkdtempSync(join(tmpdir(), "thumbprint-kit-"));
beforeAll(async () => {
  server = await Server.start();
  example = await serveExample(server.url, { example: buildReactExample(out) });
});
afterAll(async () => {
  await example?.close();
  await server?.end();
  rmSync(out, { recursive: true, force: true });
});

async function ask(page: Page, question: string) {
  await page.locator("[contenteditable=true]").click();
  await page.keyboard.type(question);
  await page.keyboard.press("Enter");
}

it("a React chat kit streams an answer, and its thumb with a reason reaches the trace, whoever is killed meanwhile", () =>
  withPageOf(example.url, {}, async ({ page }) => {
    await ask(page, "Answer slowly");
    const answer = page.locator(".cs-message--incoming").last();
    // Words are there while it is still being written: no thumbs yet.
    await answer.getByText(/\w+ \w+ \w+/).waitFor();
    const early = ((await answer.textContent()) ?? "").length;
    expect(await answer.locator("thumbprint-feedback").count()).toBe(0);
    const thumbs = answer.locator("thumbprint-feedback[client-request-id]");
    await thumbs.waitFor({ timeout: 20_000 });
    expect(((await answer.textContent()) ?? "").length).toBeGreaterThan(early);
    const id = (await thumbs.getAttribute("client-request-id")) ?? "";

    await server.kill();
    await thumbs.getByRole("button", { name: "Bad response" }).click();
    await thumbs.getByRole("button", { name: "Incomplete" }).click();
    await thumbs.getByRole("button", { name: "Send", exact: true }).click();
    await thumbs.locator('[data-delivery="waiting"]').getByText("Will be sent").waitFor();
    await page.reload();
    await server.resume();
    await until(() => ratings(server.url, id), [false]);
    const stored = (await (await page.request.get(`${server.url}/api/v1/feedback?target=${id}`)).json()) as { items: { reasons: string[] }[] };
    expect(stored.items.map(({ reasons }) => reasons)).toEqual([["incomplete"]]);
  }));

it("a React chat kit goes on with the conversation, and shows markup in a message as text", () =>
  withPageOf(example.url, {}, async ({ page }) => {
    for (const [at, question] of ["<img src=x onerror=alert(1)> hello", "weather in Paris"].entries()) {
      await ask(page, question);
      await page.locator(".cs-message--incoming thumbprint-feedback").nth(at).waitFor({ timeout: 20_000 });
    }
    expect(await page.locator(".cs-message--outgoing").allTextContents()).toEqual(["<img src=x onerror=alert(1)> hello", "weather in Paris"]);
    expect(await page.locator(".cs-message img").count()).toBe(0);
    const { items } = (await (await page.request.get(`${server.url}/api/v1/conversations?q=onerror`)).json()) as { items: { id: string }[] };
    expect(items).toHaveLength(1);
    const stored = (await (await page.request.get(`${server.url}/api/v1/conversations/${items[0]?.id}/messages`)).json()) as { items: { role: string }[] };
    expect(stored.items.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant"]);
    if (process.env.LOOK) await page.screenshot({ path: `${process.env.LOOK}/kit.png` });
  }));
