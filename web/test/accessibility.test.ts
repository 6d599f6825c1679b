import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { ask, listen, settled, until, useBrowser, withPage, type Mock } from "./page";

useBrowser();

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe finds wrong on the page as it is. It is put in by the debugger, so the page's policy stays in force. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const { axe: checker } = globalThis as unknown as { axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } };
    const found = await checker.run({ runOnly: tags, resultTypes: ["violations"], rules: { "target-size": { enabled: true } } });
    return found.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
  });
}

/** Every page and every dialog: where it is, and what to do until it is all there. */
const places: Record<string, [path: string, act?: (page: Page, mock: Mock) => Promise<unknown>]> = {
  empty: ["/", (page) => page.getByRole("list", { name: "Suggestions" }).waitFor()],
  chat: ["/c/conv-1", (page) => page.locator(".code-keyword").first().waitFor()],
  rating: [
    "/c/conv-2",
    async (page) => {
      await page.getByRole("button", { name: "Bad response" }).click();
      await page.getByRole("button", { name: "Inaccurate" }).click();
    },
  ],
  menu: ["/c/conv-2", (page) => page.getByRole("button", { name: "Options for this conversation" }).click()],
  help: ["/", (page) => page.keyboard.press("Control+/")],
  trace: ["/trace/conv-4-a", (page) => page.getByRole("treeitem", { name: /get_weather/ }).click()],
  traces: ["/traces", (page) => page.locator("[data-trace]").first().waitFor()],
  missing: ["/c/none", (page) => page.getByText("does not exist").waitFor()],
  shared: [
    "/",
    async (page, mock) => {
      const share = (await (await fetch(`${mock.url}/api/v1/conversations/conv-1/share`, { method: "POST", body: "{}" })).json()) as { path: string };
      await page.goto(mock.url + share.path);
      await page.locator(".code-keyword").first().waitFor();
    },
  ],
};

describe("axe finds nothing on any page", () => {
  const desktop = { viewport: { width: 1280, height: 800 } };
  const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
  it.each([
    ["on a desktop, light", { ...desktop, colorScheme: "light" }],
    ["on a desktop, dark", { ...desktop, colorScheme: "dark" }],
    ["on a phone, light", { ...phone, colorScheme: "light" }],
    ["on a phone, dark", { ...phone, colorScheme: "dark" }],
  ] as const)("%s", (_name, options) =>
    // Without motion nothing is measured half faded in.
    withPage({ ...options, reducedMotion: "reduce" }, async ({ page, mock }) => {
      const found: Record<string, string[]> = {};
      for (const [name, [path, act]] of Object.entries(places)) {
        await page.goto(mock.url + path);
        await act?.(page, mock);
        found[name] = await violations(page);
      }
      expect(found).toEqual(Object.fromEntries(Object.keys(places).map((name) => [name, []])));
    }), 120_000);
});

interface AXNode {
  ignored: boolean;
  role?: { value: string };
  name?: { value: string };
  properties?: { name: string; value: { value: unknown } }[];
}

/** What Chromium tells a screen reader: each node's role, name and states. */
async function tree(page: Page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = (await session.send("Accessibility.getFullAXTree")) as unknown as { nodes: AXNode[] };
  await session.detach();
  return nodes
    .filter(({ ignored }) => !ignored)
    .map(({ role, name, properties = [] }) => ({ role: role?.value, name: name?.value, ...Object.fromEntries(properties.map((property) => [property.name, property.value.value])) }) as Record<string, unknown>);
}

describe("a screen reader", () => {
  it("finds landmarks, messages and thumbs by name and state", () =>
    withPage({ path: "/c/conv-2" }, async ({ page }) => {
      await page.getByText("An answer about").waitFor();
      const before = await tree(page);
      const has = (nodes: Record<string, unknown>[], wanted: Record<string, unknown>) => expect(nodes).toContainEqual(expect.objectContaining(wanted));
      has(before, { role: "navigation", name: "Conversations" });
      has(before, { role: "main" });
      has(before, { role: "log", live: "polite" });
      has(before, { role: "article", name: "Your message" });
      has(before, { role: "article", name: "Answer" });
      has(before, { role: "textbox", name: "Message", multiline: true });
      has(before, { role: "status", live: "polite" });
      has(before, { role: "button", name: "Good response", pressed: "false" });
      await page.getByRole("button", { name: "Good response" }).press("Enter");
      await page.getByText("On the trace").waitFor();
      await page.keyboard.press("Escape");
      has(await tree(page), { role: "button", name: "Good response", pressed: "true" });
      // Nothing that can be pressed is without a name.
      const nameless = (await tree(page)).filter(({ role, name }) => ["button", "link", "textbox", "searchbox", "menuitem", "treeitem"].includes(String(role)) && !name);
      expect(nameless).toEqual([]);
    }));

  it("hears when an answer begins and how it ends, and not each word of it", () =>
    withPage({}, async ({ page }) => {
      const said = await listen(page);
      await ask(page, "Hello");
      await settled(page);
      await until(said, ["Generating…", "Answer complete"]);
    }));

  it("hears that an answer was stopped, and why one failed", () =>
    withPage({ pace: 30 }, async ({ page }) => {
      const said = await listen(page);
      await ask(page, "Give me a slow answer");
      await page.getByText("sentence 2").waitFor();
      await page.keyboard.press("Escape");
      await settled(page, "stopped");
      await until(async () => (await said()).at(-1), "Answer stopped");
      await ask(page, "Show what a failure looks like");
      await settled(page, "failed");
      await expect.poll(said).toContain("The answer failed");
      expect((await said()).some((text) => text.includes("The agent stopped in the middle"))).toBe(true);
    }));

  it("hears that a vote was saved, kept for later, refused or taken back", () =>
    withPage({ path: "/c/conv-2" }, async ({ page, mock }) => {
      await page.getByText("An answer about").waitFor();
      const said = await listen(page);
      const up = page.getByRole("button", { name: "Good response" });
      await up.click();
      await expect.poll(said).toContain("Rating saved");
      await up.click();
      await expect.poll(said).toContain("Rating removed");
      await page.context().setOffline(true);
      await up.click();
      await expect.poll(said).toContain("Will be sent");
      await page.context().setOffline(false);
      await page.locator('[data-delivery="delivered"]').waitFor();
      mock.faults.rate = 403;
      await page.getByRole("button", { name: "Bad response" }).click();
      await expect.poll(said).toContain("The rating was not saved");
    }));
});

describe("the focus", () => {
  it("is seen wherever Tab leads, in no dialog's shadow, on targets of 24 pixels", () =>
    withPage({ path: "/c/conv-2", reducedMotion: "reduce" }, async ({ page }) => {
      await page.getByText("An answer about").waitFor();
      const problems: string[] = [];
      const visited = new Set<string>();
      for (let press = 0; press < 40; press++) {
        await page.keyboard.press("Tab");
        const at = await page.evaluate(() => {
          const element = document.activeElement as HTMLElement;
          if (element === document.body) return undefined;
          const box = element.getBoundingClientRect();
          const ring = [element, element.parentElement, element.parentElement?.parentElement].some((one) => {
            if (!one) return false;
            const { outlineStyle, outlineWidth } = getComputedStyle(one);
            return outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 1;
          });
          const top = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 20));
          return { name: element.getAttribute("aria-label") ?? element.textContent ?? element.id, ring, small: box.width < 24 || box.height < 24, hidden: !top || !(element.contains(top) || top.contains(element)) };
        });
        if (!at) continue;
        visited.add(at.name);
        for (const fault of ["small", "hidden"] as const) if (at[fault]) problems.push(`${at.name}: ${fault}`);
        if (!at.ring) problems.push(`${at.name}: no ring`);
      }
      expect(problems).toEqual([]);
      for (const name of ["Good response", "Bad response", "Regenerate", "Message"]) expect([...visited].some((one) => one.includes(name)), name).toBe(true);
    }));

  it("goes by the first link to the latest answer, and to the content where there is none", () =>
    withPage({ path: "/c/conv-1" }, async ({ page, mock }) => {
      await page.getByText("What to do next").waitFor();
      const latest = page.getByRole("article", { name: "Answer" }).last();
      await page.evaluate(() => (document.activeElement as HTMLElement).blur());
      await page.getByRole("link", { name: "Skip to the latest answer" }).press("Enter");
      await until(() => latest.evaluate((answer) => answer === document.activeElement), true);
      await page.keyboard.press("Tab");
      expect(await latest.evaluate((answer) => answer.contains(document.activeElement))).toBe(true);
      await page.goto(`${mock.url}/traces`);
      await page.locator("[data-trace]").first().waitFor();
      await page.getByRole("link", { name: "Skip to content" }).press("Enter");
      await until(() => page.evaluate(() => document.activeElement?.id), "conversation");
    }));

  it.each([
    ["the agents", "/", /^Agent:/, "menu"],
    ["the settings", "/", "Settings", "menu"],
    ["what can be done with a conversation in the list", "/", "Options for First try", "menu"],
    ["what can be done with the conversation", "/c/conv-2", "Options for this conversation", "menu"],
  ] as const)("goes into %s and comes back on Esc", (_name, path, opener, role) =>
    withPage({ path }, async ({ page }) => {
      const trigger = page.getByRole("button", { name: opener });
      await trigger.press("Enter");
      const opened = page.getByRole(role);
      await until(() => opened.evaluate((element) => element.contains(document.activeElement)), true);
      await page.keyboard.press("Escape");
      await opened.waitFor({ state: "detached" });
      await until(() => trigger.evaluate((element) => element === document.activeElement), true);
    }));

  it.each(["Enter", "Escape"])("comes back from a title that is changed in the list, on %s", (key) =>
    withPage({}, async ({ page, mock }) => {
      await page.getByRole("button", { name: "Options for First try" }).press("Enter");
      await page.getByRole("menuitem", { name: "Rename" }).press("Enter");
      await page.getByRole("textbox", { name: "Conversation title" }).fill("Another");
      await page.keyboard.press(key);
      const title = key === "Enter" ? "Another" : "First try";
      await until(() => page.evaluate(() => document.activeElement?.getAttribute("aria-label")), `Options for ${title}`);
      expect([...mock.state.conversations.values()].filter((one) => (one as { title: string }).title === title)).toHaveLength(1);
    }));

  it("comes back from a question that is edited, or goes on to the next", () =>
    withPage({ path: "/c/conv-2" }, async ({ page }) => {
      const edit = page.getByRole("button", { name: "Edit message" });
      await edit.press("Enter");
      await page.getByRole("textbox", { name: "Edit your message" }).press("Escape");
      await until(() => edit.evaluate((button) => button === document.activeElement), true);
      await edit.press("Enter");
      await page.getByRole("textbox", { name: "Edit your message" }).fill("Hello");
      await page.keyboard.press("Enter");
      await until(() => page.evaluate(() => document.activeElement?.id), "message");
      await page.getByText("You said: Hello").waitFor();
    }));

  it("comes back from the drawer, from further questions and from a comment's form", () =>
    withPage({ viewport: { width: 390, height: 844 } }, async ({ page }) => {
      const back = (name: string | RegExp) => until(() => page.getByRole("button", { name, exact: true }).last().evaluate((element) => element === document.activeElement), true);
      const opened = page.getByRole("dialog");
      await page.getByRole("button", { name: "Open sidebar" }).press("Enter");
      await opened.waitFor();
      await page.keyboard.press("Escape");
      await back("Open sidebar");
      await page.getByRole("button", { name: /^Agent:/ }).press("Enter");
      await page.getByRole("menuitemradio", { name: "Asks for more" }).press("Enter");
      await ask(page, "Hello");
      await settled(page);
      await page.getByRole("button", { name: "Rate in detail" }).press("Enter");
      await until(() => opened.evaluate((element) => element.contains(document.activeElement)), true);
      await page.keyboard.press("Escape");
      await back("Rate in detail");
      await page.getByRole("button", { name: "Bad response" }).press("Enter");
      await page.getByRole("textbox", { name: "Comment" }).fill("No");
      await page.keyboard.press("Control+Enter");
      await back("Bad response");
      await page.getByRole("button", { name: /Edit your comment/ }).press("Enter");
      await until(() => opened.evaluate((element) => element.contains(document.activeElement)), true);
      await page.keyboard.press("Escape");
      await back("Bad response");
    }));

  it.each([
    ["the help sheet", "Settings", "Keyboard shortcuts"],
    ["renaming", "Options for this conversation", "Rename"],
    ["the shared links", "Settings", "Shared links"],
    ["sharing", "Options for this conversation", "Share"],
  ])("goes into %s, stays there, and comes back", (_name, opener, item) =>
    withPage({ path: "/c/conv-2" }, async ({ page }) => {
      await page.getByText("An answer about").waitFor();
      const trigger = page.getByRole("button", { name: opener });
      await trigger.press("Enter");
      await page.getByRole("menuitem", { name: item }).press("Enter");
      const dialog = page.getByRole("dialog");
      await dialog.waitFor();
      // After its last control the browser's own come, which the page sees as its body.
      for (let press = 0; press < 8; press++) {
        await page.keyboard.press("Tab");
        await until(() => dialog.evaluate((element) => element.contains(document.activeElement) || document.activeElement === document.body), true);
      }
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
      await until(() => trigger.evaluate((element) => element === document.activeElement), true);
    }));
});
