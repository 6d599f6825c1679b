// The page in real Chromium, by the names a person using a screen reader would hear.
import path from 'node:path';
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** A browser that closes with the test `t`; every page it opens fails the test on an uncaught error. */
export async function openBrowser(t) {
  const browser = await chromium.launch({ executablePath: process.env.THUMBPRINT_TEST_CHROMIUM, args: ARGS });
  t.after(() => browser.close());
  return browser;
}

/** A fresh visitor: own storage, English, light unless said otherwise. */
export async function visitor(browser, { colorScheme = 'light', viewport = { width: 1280, height: 800 }, ...rest } = {}) {
  const context = await browser.newContext({ locale: 'en-US', colorScheme, viewport, reducedMotion: 'reduce', ...rest });
  context.setDefaultTimeout(15_000);
  return context.newPage();
}

/** What tests do on the chat page. */
export class ChatPage {
  constructor(page, server) {
    this.page = page;
    this.server = server;
    this.errors = [];
    page.on('pageerror', (error) => this.errors.push(String(error)));
  }

  static async open(page, server, route = '/') {
    const chat = new ChatPage(page, server);
    await page.goto(server.url + route);
    return chat;
  }

  async choose(agent) {
    await this.page.getByRole('button', { name: /^Agent: / }).click();
    await this.page.getByRole('menuitemradio', { name: agent }).click();
  }

  async send(text) {
    await this.page.getByRole('textbox', { name: 'Message', exact: true }).fill(text);
    await this.page.getByRole('button', { name: 'Send message' }).click();
  }

  get answers() {
    return this.page.getByRole('article', { name: 'Answer' });
  }

  /** The newest answer once it has reached an end; returns its locator. */
  async finished(status = 'completed') {
    const answer = this.answers.last();
    await this.page.waitForFunction(
      (wanted) => [...document.querySelectorAll('article[data-message-id][data-status]')].at(-1)?.dataset.status === wanted,
      status,
    );
    return answer;
  }

  async ask(text, status) {
    const before = await this.answers.count();
    await this.send(text);
    await this.answers.nth(before).waitFor();
    return this.finished(status);
  }

  toast() {
    return this.page.getByRole('region', { name: 'Notifications' }).getByRole('alert');
  }
}

export const thumb = (answer, name) => answer.getByRole('button', { name });

/** Waits until the answer's feedback is in this state of delivery. */
export const delivery = (answer, state) => answer.locator(`[data-delivery="${state}"]`).waitFor();

/** Saves a screenshot where scripts/test keeps its logs; `keep` also takes it into the documentation. */
export async function screenshot(page, name) {
  const folder = process.env.THUMBPRINT_E2E_SCREENSHOTS ?? path.join(import.meta.dirname, '..', '..', '..', '.cache', 'screenshots');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`) });
}
