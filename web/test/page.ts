import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { launch } from "../dev/browser.mjs";
import { startMock } from "../dev/mock.mjs";

export type Mock = Awaited<ReturnType<typeof startMock>>;

export interface Opened {
  mock: Mock;
  page: Page;
  /** What the page complained about: errors thrown and errors written to the console. */
  complaints: string[];
}

let browser: Browser;

/** Call once per test file. */
export function useBrowser(): void {
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());
}

interface Options extends BrowserContextOptions {
  path?: string;
  pace?: number;
}

/** Runs `test` with a page of its own on a server of its own. Complaints of the page fail it. */
export async function withPage({ path = "/", pace = 10, ...options }: Options, test: (opened: Opened) => Promise<void>): Promise<void> {
  const mock = await startMock({ pace });
  try {
    await withPageOf(mock.url + path, options, ({ page, complaints }) => test({ mock, page, complaints }));
  } finally {
    await mock.close();
  }
}

/** Runs `test` with a page of its own at `url`. Complaints of the page fail it. */
export async function withPageOf(url: string, options: BrowserContextOptions, test: (opened: Omit<Opened, "mock">) => Promise<void>): Promise<void> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(8000);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // The browser itself reports every refused request; those are what some tests are about.
    if (message.type() === "error" && !/Failed to load resource|net::ERR/.test(message.text())) complaints.push(message.text());
  });
  try {
    await page.goto(url);
    await test({ page, complaints });
    expect(complaints).toEqual([]);
  } finally {
    await context.close();
  }
}

export async function ask(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.getByRole("button", { name: "Send message" }).click();
}

export const answers = (page: Page): Locator => page.getByRole("article", { name: "Answer", exact: true });

/** Waits for the last answer to end, and returns it. */
export async function settled(page: Page, status = "completed"): Promise<Locator> {
  const answer = answers(page).last();
  await page.locator(`article[data-status="${status}"]`).last().waitFor();
  return answer;
}

/** Polls until `read` gives `expected`. */
export async function until<T>(read: () => T | Promise<T>, expected: T): Promise<void> {
  await expect.poll(read, { timeout: 8000, interval: 30 }).toEqual(expected);
}

/** Collects what live regions say from now on. */
export async function listen(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const said: string[] = ((globalThis as unknown as { said: string[] }).said = []);
    new MutationObserver((changes) => {
      for (const { target, addedNodes } of changes) {
        const element = target instanceof Element ? target : target.parentElement;
        const regions = [element?.closest("[role=status], [role=alert]"), ...[...addedNodes].flatMap((node) => (node instanceof Element ? [...node.querySelectorAll("[role=alert]"), ...(node.matches("[role=alert]") ? [node] : [])] : []))];
        for (const region of regions) {
          const text = region?.textContent?.trim();
          if (text && said.at(-1) !== text) said.push(text);
        }
      }
    }).observe(document.body, { childList: true, characterData: true, subtree: true });
  });
  return () => page.evaluate(() => (globalThis as unknown as { said: string[] }).said);
}
