import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answers, ask, settled, useBrowser, withPageOf } from "../page";
import { Network, ratings, Server } from "../server";

useBrowser();

const up = { name: "Good response" };

describe("a rating, while the trace store", () => {
  let store: Server;
  let network: Network;
  let server: Server;
  beforeAll(async () => {
    store = await Server.start();
    network = await Network.to(store.url);
    server = await Server.start(`mlflow: {tracking_uri: "${network.url}"}\nagents: [{id: demo, name: Demo agent, protocol: demo, mlflow_experiment: real}]\n`);
  });
  afterAll(async () => {
    await server?.end();
    await network?.end();
    await store?.end();
  });

  it("is away, is saved; and is on the trace when it is back, without anybody's help", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      network.weather = "cut";
      await ask(page, "Hello");
      const answer = await settled(page);
      await answer.getByRole("button", up).click();
      await page.keyboard.press("Escape");
      await answer.locator('[data-delivery^="waiting_for"]').getByText("Saved").waitFor();
      network.weather = "fine";
      await answer.locator('[data-delivery="delivered"]').waitFor({ timeout: 40_000 });
      expect(await ratings(store.url, (await answer.getAttribute("data-trace-id")) ?? "")).toEqual([true]);
    }));

  it("refuses it, says that and why; and is delivered on Try again", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      await ask(page, "Hello");
      const answer = await settled(page);
      network.weather = "refusing";
      await answer.getByRole("button", up).click();
      await page.keyboard.press("Escape");
      const words = answer.locator('[data-delivery="failed"]');
      await words.getByText("Not delivered").waitFor({ timeout: 40_000 });
      expect(await words.getByRole("note").getAttribute("aria-label")).toMatch(/MLflow refuses this feedback/);
      network.weather = "fine";
      await words.getByRole("button", { name: "Try again" }).click();
      await answer.locator('[data-delivery="delivered"]').waitFor({ timeout: 40_000 });
      expect(await ratings(store.url, (await answer.getAttribute("data-trace-id")) ?? "")).toEqual([true]);
    }));
});

describe("a server that is killed", () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start();
  });
  afterAll(() => server?.end());

  it("gets the rating when it is back, also from a page that was loaded again", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      await ask(page, "Hello");
      const answer = await settled(page);
      await server.kill();
      await answer.getByRole("button", up).click();
      await page.keyboard.press("Escape");
      await answer.locator('[data-delivery="will_be_sent"]').waitFor();
      await server.resume();
      await page.reload();
      await answers(page).last().locator('[data-delivery="delivered"]').waitFor({ timeout: 40_000 });
      expect(await ratings(server.url, (await answer.getAttribute("data-trace-id")) ?? "")).toEqual([true]);
    }));

  it("in the middle of an answer keeps what was said; it can be rated and asked again", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      await ask(page, "Answer slowly");
      const answer = answers(page).last();
      await answer.getByText(/\w+ \w+ \w+ \w+/).first().waitFor();
      await server.kill();
      await page.getByText("Connection lost").waitFor();
      await server.resume();
      await page.locator('article[data-status="failed"], article[data-status="stopped"]').waitFor({ timeout: 40_000 });
      await answer.getByRole("button", up).click();
      await page.keyboard.press("Escape");
      await answer.locator('[data-delivery="delivered"]').waitFor({ timeout: 40_000 });
      await answer.getByRole("button", { name: /Retry|Regenerate/ }).first().click();
      await page.keyboard.press("Escape");
      await page.getByText("2/2").waitFor();
    }));
});
