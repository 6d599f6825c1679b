import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answers, ask, settled, until, useBrowser, withPageOf } from "../page";
import { Server } from "../server";

useBrowser();

describe("the demo agent on the real server", () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start();
    });
  afterAll(() => server?.end());

  it("asks for permission, and is told what was decided", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      await ask(page, "Delete the old table");
      const answer = await settled(page);
      await answer.getByRole("button", { name: "Allow" }).click();
      await page.getByText("You approved it").waitFor();
      await page.reload();
      await page.getByText("You approved it").waitFor();
      expect(await answers(page).count()).toBe(2);
      expect(await page.getByRole("button", { name: "Allow" }).count()).toBe(0);
    }));

  it("gives a link that shows the conversation to anybody, until it is revoked", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      await ask(page, "weather in Paris");
      await settled(page);
      await page.getByRole("button", { name: "Options for this conversation" }).click();
      await page.getByRole("menuitem", { name: "Share" }).click();
      const dialog = page.getByRole("dialog", { name: "Share conversation" });
      await dialog.getByRole("button", { name: "Create link" }).click();
      const url = await dialog.getByRole("textbox", { name: "Link to the conversation" }).inputValue();
      await withPageOf(url, {}, async ({ page: visitor }) => {
        await visitor.getByRole("heading", { name: "Weather in Paris" }).waitFor();
        await answers(visitor).first().waitFor();
        expect(await visitor.getByRole("button", { name: /response/ }).count()).toBe(0);
        expect(await visitor.getByText("Used").count()).toBe(0);
        expect(await visitor.getByRole("textbox").count()).toBe(0);
      });
      const answer = await fetch(url.replace("/share/", "/api/v1/shared/"));
      expect([answer.headers.get("cache-control"), answer.headers.get("x-robots-tag")]).toEqual(["no-store", "noindex, nofollow"]);
      expect((await fetch(url)).headers.get("x-robots-tag")).toBe("noindex, nofollow");
      await dialog.getByRole("button", { name: "Revoke link" }).click();
      await dialog.getByRole("button", { name: "Create link" }).waitFor();
      await withPageOf(url, {}, ({ page: visitor }) => visitor.getByRole("heading", { name: "There is nothing at this link" }).waitFor());
    }));

  it("takes a rating of the whole conversation", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      await ask(page, "hello");
      await settled(page);
      await page.getByRole("button", { name: "Options for this conversation" }).click();
      await page.getByRole("menuitem", { name: "Rate this conversation" }).click();
      const line = page.getByRole("group", { name: "Rate this conversation" }).first();
      await line.getByRole("button", { name: "Good response" }).click();
      await page.locator('[data-delivery="delivered"]').waitFor();
      await page.reload();
      await page.getByRole("button", { name: "Options for this conversation" }).click();
      await page.getByRole("menuitem", { name: "Rate this conversation" }).click();
      await until(() => line.getByRole("button", { name: "Good response" }).getAttribute("aria-pressed"), "true");
      expect(await answers(page).last().getByRole("button", { name: "Good response" }).getAttribute("aria-pressed")).toBe("false");
    }));
});
