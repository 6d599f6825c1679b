import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { listen, until, useBrowser, withPage } from "./page";

useBrowser();

/** What has the focus, as a person would name it. */
const focused = (page: Page) => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");

/** Chooses in the menu that the button opens, by keys alone. */
async function choose(page: Page, button: string, item: string) {
  await page.getByRole("button", { name: button }).press("Enter");
  await page.getByRole("menuitem", { name: item }).press("Enter");
  await page.getByRole("menu").waitFor({ state: "detached" });
  // The focus comes with what is drawn next.
  await page.evaluate(async () => {
    for (let frame = 0; frame < 4; frame++) await new Promise((resolve) => requestAnimationFrame(resolve));
  });
}

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

describe("a toast while a modal dialog is open", () => {
  it.each([
    ["a desktop", {}],
    ["a dark phone", { ...phone, colorScheme: "dark" }],
  ] as const)("is read, heard, and its buttons are reached, on %s", (name, options) =>
    withPage({ path: "/c/conv-2", ...options }, async ({ page }) => {
      await page.getByText("An answer about").waitFor();
      await choose(page, "Options for this conversation", "Share");
      const dialog = page.getByRole("dialog", { name: "Share conversation" });
      await dialog.waitFor();
      await page.evaluate(() => {
        Object.defineProperty(navigator, "clipboard", { value: undefined });
        document.execCommand = () => false;
      });
      const said = await listen(page);
      await dialog.getByRole("button", { name: "Create link" }).press("Enter");
      await dialog.getByRole("button", { name: "Copy" }).press("Enter");
      const toast = dialog.getByRole("alert").filter({ hasText: "Select the text" });
      await toast.waitFor();
      await expect.poll(said).toContainEqual(expect.stringContaining("Select the text"));
      // Nothing of the dialog's shade lies on it: what is hit there is the toast.
      if (process.env.LOOK) await page.screenshot({ path: `${process.env.LOOK}/toast-in-dialog-${name.replaceAll(" ", "-")}.png` });
      const dismiss = toast.getByRole("button", { name: "Dismiss" });
      expect(await toast.evaluate((element) => {
        const { x, y, width, height } = element.getBoundingClientRect();
        return element.contains(document.elementFromPoint(x + width / 3, y + height / 2));
      })).toBe(true);
      for (let press = 0; press < 8 && !(await dismiss.evaluate((button) => button === document.activeElement)); press++) await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await toast.waitFor({ state: "detached" });
      expect(await dialog.evaluate((element) => element.contains(document.activeElement))).toBe(true);
    }));

  it("that was there before goes into the dialog and out of it, and is not said again", () =>
    withPage({ path: "/c/conv-2" }, async ({ page }) => {
      await page.getByText("An answer about").waitFor();
      await choose(page, "Options for First try", "Delete");
      const undo = page.getByRole("button", { name: "Undo" });
      await undo.waitFor();
      const said = await listen(page);
      await choose(page, "Options for this conversation", "Rename");
      const dialog = page.getByRole("dialog", { name: "Rename" });
      await dialog.getByRole("button", { name: "Undo" }).waitFor();
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
      await until(() => undo.count(), 1);
      expect(await said()).toEqual([]);
      await undo.click();
      await page.getByRole("link", { name: "First try" }).waitFor();
    }));
});

describe("with the keyboard alone, deleting a conversation", () => {
  it("in the list leads to the next one, and at the list's end to the one before", () =>
    withPage({}, async ({ page, mock }) => {
      await page.getByRole("link", { name: "First try" }).waitFor();
      const titles = await page.getByRole("navigation", { name: "Conversations" }).getByRole("link").evaluateAll((links) => links.flatMap((link) => (link.closest("li") ? [link.textContent] : [])));
      const [first, second] = titles;
      const [before, last] = titles.slice(-2);
      await choose(page, `Options for ${first}`, "Delete");
      await until(() => focused(page), `Options for ${second}`);
      await choose(page, `Options for ${last}`, "Delete");
      await until(() => focused(page), `Options for ${before}`);
      if (process.env.LOOK) await page.screenshot({ path: `${process.env.LOOK}/deleted.png` });
      // From anywhere, the newest first, each once, however long the keys are held.
      await page.keyboard.down("Control");
      await page.keyboard.down("z");
      await until(() => focused(page), `Options for ${last}`);
      await page.keyboard.down("z");
      await page.keyboard.up("z");
      await page.keyboard.up("Control");
      expect(await page.getByRole("button", { name: "Undo" }).count()).toBe(1);
      await page.keyboard.press("Control+z");
      await until(() => focused(page), `Options for ${first}`);
      await until(() => page.getByRole("button", { name: "Undo" }).count(), 0);
      expect(mock.state.conversations.size).toBe(titles.length);
    }));

  it("leads to a new chat where it was the only one, and says how it is undone", () =>
    withPage({}, async ({ page, mock }) => {
      for (const id of [...mock.state.conversations.keys()].slice(1)) mock.state.conversations.delete(id);
      await page.reload();
      const [only] = [...mock.state.conversations.values()] as { title: string }[];
      const said = await listen(page);
      await choose(page, `Options for ${only?.title}`, "Delete");
      await until(() => focused(page), "New chat");
      await expect.poll(said).toContainEqual(expect.stringMatching(/deleted.*Undo: Ctrl\+Z/s));
    }));

  it("that is open stays in the list, or goes to the message box from its own menu; undoing goes back", () =>
    withPage({ path: "/c/conv-7" }, async ({ page }) => {
      await page.getByText("An answer about: First try").waitFor();
      await choose(page, "Options for First try", "Delete");
      await until(() => new URL(page.url()).pathname, "/");
      const neighbour = await focused(page);
      expect(neighbour).toMatch(/^Options for (?!First try)/);
      await page.keyboard.press("Control+z");
      await until(() => new URL(page.url()).pathname, "/c/conv-7");
      await until(() => focused(page), "Options for First try");

      await page.getByText("An answer about: First try").waitFor();
      await choose(page, "Options for this conversation", "Delete");
      await until(() => new URL(page.url()).pathname, "/");
      await until(() => focused(page), "Message");
      await page.keyboard.press("Tab");
      expect(await focused(page)).toBe("Undo");
      await page.keyboard.press("Enter");
      await page.getByText("An answer about: First try").waitFor();
      await until(() => focused(page), "Message");
    }));

  it("takes no undoing away from what is typed", () =>
    withPage({}, async ({ page, mock }) => {
      await choose(page, "Options for First try", "Delete");
      await page.getByRole("textbox", { name: "Message" }).focus();
      await page.keyboard.type("Hello");
      await page.keyboard.press("Control+z");
      expect(await page.getByRole("button", { name: "Undo" }).count()).toBe(1);
      expect(await page.getByRole("textbox", { name: "Message" }).inputValue()).not.toBe("Hello");
      expect(mock.state.conversations.has("conv-7")).toBe(true);
    }));

  it.each([
    ["a phone", phone],
    ["a dark phone", { ...phone, colorScheme: "dark" }],
    ["a low phone, in a list that scrolls", { ...phone, viewport: { width: 390, height: 520 } }],
  ] as const)("in the drawer of %s stays there, with what undoes it, which covers nothing and moves nothing", (name, options) =>
    withPage({ ...options, reducedMotion: "reduce" }, async ({ page }) => {
      await page.getByRole("button", { name: "Open sidebar" }).press("Enter");
      const drawer = page.getByRole("dialog", { name: "Conversations" });
      const frame = drawer.getByRole("button", { name: /^(Close sidebar|New chat|Settings)$/ }).or(drawer.getByRole("searchbox")).or(drawer.getByRole("link", { name: "Traces" }));
      const places = () => frame.evaluateAll((all) => all.map((one) => JSON.stringify(one.getBoundingClientRect())));
      const before = await places();
      expect(before).toHaveLength(5);
      await choose(page, "Options for First try", "Delete");
      await drawer.getByRole("button", { name: "Undo" }).waitFor();
      await until(async () => (await focused(page)).startsWith("Options for "), true);
      expect(await drawer.evaluate((element) => element.contains(document.activeElement))).toBe(true);
      if (process.env.LOOK) await page.screenshot({ path: `${process.env.LOOK}/deleted-in-drawer-of-${name.replaceAll(" ", "-")}.png` });
      expect(await places()).toEqual(before);
      const lastRow = drawer.getByRole("listitem").getByRole("button").last();
      await lastRow.scrollIntoViewIfNeeded();
      for (const one of [...(await frame.all()), lastRow]) await one.click({ trial: true });
      await drawer.getByRole("button", { name: "Undo" }).tap();
      await drawer.getByRole("link", { name: "First try" }).waitFor();
      await until(() => focused(page), "Options for First try");
    }));

  it("gives the focus back to where it came from when its toast is dismissed, or is over", () =>
    withPage({}, async ({ page }) => {
      const start = page.getByRole("textbox", { name: "Message" });
      await choose(page, "Options for First try", "Delete");
      await start.focus();
      await page.keyboard.press("Tab");
      expect(await focused(page)).toBe("Undo");
      await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
      await until(() => focused(page), "Message");

      await page.clock.install();
      await page.reload();
      await choose(page, "Options for Ratings in October", "Delete");
      await start.focus();
      await page.keyboard.press("Tab");
      expect(await focused(page)).toBe("Undo");
      await page.clock.runFor(21_000);
      await until(() => focused(page), "Message");
    }));

  it.each([
    ["when it was taken elsewhere by hand", ["Tab"]],
    ["a second time", ["Tab", "Tab", "Enter"]],
  ])("does not give the focus back %s", (_when, keys) =>
    withPage({}, async ({ page }) => {
      await page.clock.install();
      await page.reload();
      for (const title of ["First try", "Ratings in October"]) await choose(page, `Options for ${title}`, "Delete");
      await page.getByRole("textbox", { name: "Message" }).focus();
      for (const key of keys) await page.keyboard.press(key);
      await until(() => focused(page), keys.length === 1 ? "Undo" : "Message");
      // Where nothing takes it: to read, or to scroll.
      await page.mouse.click(700, 120);
      const nowhere = () => page.evaluate(() => document.activeElement === document.body);
      expect(await nowhere()).toBe(true);
      await page.clock.runFor(21_000);
      await until(() => page.getByRole("button", { name: "Undo" }).count(), 0);
      expect(await nowhere()).toBe(true);
    }));
});
