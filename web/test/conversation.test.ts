import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { ask, settled, until, useBrowser, withPage, withPageOf } from "./page";

useBrowser();

describe("sharing", () => {
  it("shows a link once, and later that there is one", () =>
    withPage({ path: "/c/conv-2" }, async ({ page, mock }) => {
      await page.getByText("An answer about").waitFor();
      const open = async () => {
        await page.getByRole("button", { name: "Options for this conversation" }).click();
        await page.getByRole("menuitem", { name: "Share" }).click();
      };
      const dialog = page.getByRole("dialog", { name: "Share conversation" });
      await open();
      await dialog.getByRole("button", { name: "Create link" }).click();
      const url = await dialog.getByRole("textbox", { name: "Link to the conversation" }).inputValue();
      expect(url).toMatch(/^http.*\/share\/shr-/);
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await dialog.getByRole("button", { name: "Copy" }).click();
      // Said in the dialog: what is outside of a modal one is not heard.
      await dialog.getByRole("status").filter({ hasText: "Copied" }).waitFor({ state: "attached" });
      expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(url);
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
      await open();
      await dialog.getByText("Shared on").waitFor();
      await dialog.getByRole("button", { name: "Create new link" }).click();
      await until(() => mock.seen.share.map(({ id, last }) => [id, last]), [["conv-2", "conv-2-a"], ["conv-2", "conv-2-a"]]);
    }));

  it("lists the links in the settings, where they can be revoked", () =>
    withPage({}, async ({ page }) => {
      await page.getByRole("button", { name: "Options for First try" }).click();
      await page.getByRole("menuitem", { name: "Share" }).click();
      await page.getByRole("button", { name: "Create link" }).click();
      const url = await page.getByRole("textbox", { name: "Link to the conversation" }).inputValue();
      await page.getByRole("button", { name: "Close", exact: true }).click();
      await page.getByRole("button", { name: "Settings" }).click();
      await page.getByRole("menuitem", { name: "Shared links" }).click();
      const dialog = page.getByRole("dialog", { name: "Shared links" });
      await dialog.getByRole("button", { name: "Revoke the link to First try" }).click();
      await dialog.getByText("You have not shared a conversation.").waitFor();
      // The button that was pressed is gone; the focus is not.
      await until(() => page.evaluate(() => document.activeElement?.textContent), "Close");
      await withPageOf(url, {}, async ({ page: visitor }) => {
        await visitor.getByRole("heading", { name: "There is nothing at this link" }).waitFor();
        // The chat's keys are not a reader's.
        await visitor.keyboard.press("Control+Shift+O");
        expect(new URL(visitor.url()).pathname).toMatch(/^\/share\//);
      });
    }));

  it("shows the version that is on the page", () =>
    withPage({}, async ({ page, mock }) => {
      await ask(page, "Hello");
      const first = (await (await settled(page)).getAttribute("data-message-id")) ?? "";
      await page.getByRole("button", { name: "Regenerate" }).click();
      await page.getByText("2/2").waitFor();
      await settled(page);
      await page.getByRole("button", { name: "Previous version" }).click();
      await page.getByText("1/2").waitFor();
      await page.getByRole("button", { name: "Options for this conversation" }).click();
      await page.getByRole("menuitem", { name: "Share" }).click();
      await page.getByRole("button", { name: "Create link" }).click();
      await until(() => mock.seen.share.map(({ last }) => last), [first]);
    }));
});

describe("rating a conversation", () => {
  const line = { name: "Rate this conversation" };
  const twoAnswers = async (page: Page) => {
    for (const [at, text] of ["Hello", "Hello again"].entries()) {
      await ask(page, text);
      await page.locator('article[data-status="completed"]').nth(at).waitFor();
    }
  };

  it("is offered once, after a pause, without taking the focus", () =>
    withPage({}, async ({ page, mock }) => {
      await page.clock.install();
      await twoAnswers(page);
      await page.clock.fastForward(60_000);
      expect(await page.getByRole("group", line).count()).toBe(0);
      await page.clock.fastForward(60_000);
      await page.getByRole("group", line).first().waitFor();
      expect(await page.evaluate(() => document.activeElement?.id)).toBe("message");
      await page.getByRole("group", line).first().getByRole("button", { name: "Dismiss" }).click();
      await page.getByText("Answers can be wrong").waitFor();
      await page.reload();
      await page.getByText("You said: Hello again.").waitFor();
      await page.clock.fastForward(400_000);
      expect(await page.getByRole("group", line).count()).toBe(0);
      expect(mock.seen.rate).toEqual([]);
    }));

  it("is not asked while somebody writes", () =>
    withPage({}, async ({ page }) => {
      await page.clock.install();
      await twoAnswers(page);
      await page.getByRole("textbox", { name: "Message" }).fill("And then");
      await page.clock.fastForward(100_000);
      await page.getByRole("textbox", { name: "Message" }).fill("");
      expect(await page.getByRole("group", line).count()).toBe(0);
    }));

  it("is no more asked once somebody goes on, or has left", () =>
    withPage({}, async ({ page }) => {
      await page.clock.install();
      await twoAnswers(page);
      const path = new URL(page.url()).pathname;
      await page.clock.fastForward(100_000);
      await page.getByRole("group", line).first().waitFor();
      await ask(page, "And more");
      await page.locator('article[data-status="completed"]').nth(2).waitFor();
      await page.clock.fastForward(200_000);
      expect(await page.getByRole("group", line).count()).toBe(0);
      await page.getByRole("button", { name: "Options for this conversation" }).click();
      await page.getByRole("menuitem", { name: "Rate this conversation" }).click();
      await page.getByRole("group", line).first().waitFor();
      await page.locator('a[href="/c/conv-2"]').click();
      await page.getByText("An answer about").waitFor();
      await page.goBack();
      await until(() => new URL(page.url()).pathname, path);
      await page.getByText("You said: And more.").waitFor();
      expect(await page.getByRole("group", line).count()).toBe(0);
    }));

  it("asks what the deployer asks where that is no thumb, also of a branch that ends with a question", () =>
    withPage({}, async ({ page, mock }) => {
      const dimensions = [{ name: "helpfulness", type: "number", min: 1, max: 5 }];
      await page.route("**/api/v1/agents", (route) => route.fulfill({ json: { items: [{ id: "demo", name: "Demo agent", protocol: "demo", suggested_prompts: [], feedback: { open: false, dimensions } }] } }));
      const answer = mock.state.messages.get("conv-2-a");
      Object.assign(answer ?? {}, { agent_id: "demo", rateable: true });
      mock.state.messages.set("conv-2-q2", { id: "conv-2-q2", parent_id: "conv-2-a", role: "user", content: "Still there?", status: "complete", timestamp: "2026-11-20T10:00:00Z", conversation: "conv-2" });
      await page.goto(new URL("/c/conv-2", page.url()).href);
      await page.getByText("Still there?").waitFor();
      await page.getByRole("button", { name: "Options for this conversation" }).click();
      await page.getByRole("menuitem", { name: "Rate this conversation" }).click();
      await page.getByRole("group", line).getByRole("button", { name: "Rate in detail" }).click();
      await page.getByRole("radiogroup", { name: "Helpfulness" }).getByText("4").click();
      await until(() => [...mock.state.feedback.values()].map(({ target, name, value }) => [target, name, value]), [["conv-2", "helpfulness", 4]]);
    }));

  it("can be asked for by keyboard, is about the conversation, and is there again", () =>
    withPage({ path: "/c/conv-2" }, async ({ page, mock }) => {
      await page.getByText("An answer about").waitFor();
      const menu = page.getByRole("button", { name: "Options for this conversation" });
      await menu.press("Enter");
      await page.getByRole("menuitem", { name: "Rate this conversation" }).press("Enter");
      await until(() => page.evaluate(() => document.activeElement?.getAttribute("aria-label")), "Good response");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await until(() => mock.seen.rate.map(({ trace_id, assessment_value }) => [trace_id, assessment_value]), [["conv-2", false]]);
      await page.getByRole("dialog", { name: "What went wrong?" }).waitFor();
      await page.reload();
      await menu.click();
      await page.getByRole("menuitem", { name: "Rate this conversation" }).click();
      await until(() => page.getByRole("group", line).first().getByRole("button", { name: "Bad response" }).getAttribute("aria-pressed"), "true");
    }));

  it.each([
    ["on a desktop", { viewport: { width: 1280, height: 800 } }],
    ["on a small phone", { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true }],
  ])("moves no button %s", (_name, options) =>
    withPage({ path: "/c/conv-2", ...options }, async ({ page }) => {
      await page.getByText("An answer about").waitFor();
      await page.getByRole("button", { name: "Options for this conversation" }).click();
      await page.getByRole("menuitem", { name: "Rate this conversation" }).click();
      const buttons = page.getByRole("group", line).first().getByRole("button");
      const up = page.getByRole("group", line).first().getByRole("button", { name: "Good response" });
      await up.waitFor();
      const places = () => buttons.evaluateAll((all) => all.map((one) => JSON.stringify(one.getBoundingClientRect())));
      const before = await places();
      await up.click();
      await page.locator('[data-delivery="delivered"]').waitFor();
      expect(await places()).toEqual(before);
    }));

  it("is not offered where no answer has a trace", () =>
    withPage({ path: "/c/conv-3" }, async ({ page }) => {
      await page.getByText("An answer about").waitFor();
      await page.getByRole("button", { name: "Options for this conversation" }).click();
      await page.getByRole("menuitem", { name: "Share" }).waitFor();
      expect(await page.getByRole("menuitem", { name: "Rate this conversation" }).count()).toBe(0);
    }));
});
