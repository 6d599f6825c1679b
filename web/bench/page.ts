// The page, measured in Chromium on the real server. Usage: npm run bench; see README.md
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import react from "@vitejs/plugin-react";
import type { Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, expect, it } from "vitest";
import { serveExample } from "../dev/example.mjs";
import { ask, settled, useBrowser, withPageOf } from "../test/page";
import { Server } from "../test/server";
import { length, startAgent } from "./agent.mjs";
import { record, type Frames } from "./frames";

useBrowser();

const conversations = Number(process.env.CONVERSATIONS ?? 10_000);
const messages = Number(process.env.MESSAGES ?? 1000);

let agent: Awaited<ReturnType<typeof startAgent>>;
let server: Server;
/** A conversation that is there from the start. */
let thread: string;
const out = mkdtempSync(join(tmpdir(), "thumbprint-peer-"));
beforeAll(async () => {
  agent = await startAgent();
  server = await Server.start(`agents: [{id: bench, name: Bench, protocol: chat_completions, model: none, url: "${agent.url}"}]\nlog: {level: error}\n`);
  thread = await exchange("first");
  // React's build for production; vitest's own setting would give the other.
  process.env.NODE_ENV = "production";
  await build({ root: join(import.meta.dirname, "peer"), plugins: [react()], mode: "production", logLevel: "warn", base: "./", build: { outDir: out, emptyOutDir: true, modulePreload: { polyfill: false } } });
});
afterAll(async () => {
  await server?.end();
  await agent?.close();
  rmSync(out, { recursive: true, force: true });
});

const say = (line: string) => process.stdout.write(`${line}\n`);
const whole = (value: number) => value.toFixed(0);

function table(title: string, rows: [string, Frames][]) {
  say(`\n| ${title} | lasts | frames /s | dropped | frame p50 / p99 / longest | long tasks | longest | moved back |\n|---|---|---|---|---|---|---|---|`);
  for (const [name, f] of rows) {
    say(`| ${name} | ${whole(f.seconds)} s | ${whole(f.perSecond)} | ${(f.dropped * 100).toFixed(1)} % | ${whole(f.p50)} / ${whole(f.p99)} / ${whole(f.longest)} ms | ${f.longTasks} | ${whole(f.longestTask)} ms | ${whole(f.against)} px |`);
  }
}

/** Asks the server as any client would, and waits for the end. Returns the conversation. */
async function exchange(content: string, conversation?: string): Promise<string> {
  const answer = await fetch(`${server.url}/api/v1/agents/bench/invocations`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content }], stream: true, conversation_id: conversation }),
  });
  const text = await answer.text();
  return /"conversation_id":"([^"]+)"/.exec(text)?.[1] ?? expect.fail(text.slice(0, 300));
}

it("script of each route", async () => {
  const stored = (await (await fetch(`${server.url}/api/v1/conversations/${thread}/messages`)).json()) as { items: { id: string; role: string }[] };
  const answer = stored.items.find(({ role }) => role === "assistant")?.id;
  say("\n| script, as it travels | kB |\n|---|---|");
  for (const [name, path, ready] of [
    ["a new chat", "/", "textarea"],
    ["a conversation, with code in colours", `/c/${thread}`, ".code-keyword"],
    ["a trace", `/trace/${answer}`, "[role=tree]"],
    ["all traces", "/traces", "[data-trace]"],
  ] as const) {
    await withPageOf("about:blank", {}, async ({ page }) => {
      let sum = 0;
      page.on("requestfinished", (request) => void (async () => request.resourceType() === "script" && (sum += (await request.sizes()).responseBodySize))());
      await page.goto(server.url + path, { waitUntil: "networkidle" });
      await page.locator(ready).first().waitFor({ state: "attached" });
      say(`| ${name} | ${whole(sum / 1000)} |`);
    });
  }
});

it("interactive on a processor of a quarter of the speed", async () => {
  const times: number[] = [];
  for (let run = 0; run < 7; run++) {
    await withPageOf("about:blank", {}, async ({ page }) => {
      const session = await page.context().newCDPSession(page);
      await session.send("Emulation.setCPUThrottlingRate", { rate: 4 });
      await page.addInitScript(watchInteractive);
      await page.goto(server.url);
      times.push(await page.evaluate(() => (globalThis as unknown as { interactive: Promise<number> }).interactive));
    });
  }
  const sorted = times.toSorted((a, b) => a - b);
  say(`\nInteractive at 4x slower, from an empty cache: median ${whole(sorted[3] ?? 0)} ms, ${whole(sorted[0] ?? 0)} to ${whole(sorted.at(-1) ?? 0)} (gate: 1000)`);
});

/** Settles once the field can be typed in and the page has had time for a frame. */
function watchInteractive() {
  (globalThis as unknown as { interactive: Promise<number> }).interactive = new Promise((resolve) => {
    const look = () => {
      if (document.querySelector("textarea:enabled")) requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}

it("a long answer, and the peer", async () => {
  const rows: [string, Frames][] = [];
  await withPageOf(server.url, {}, async ({ page }) => {
    page.setDefaultTimeout(300_000);
    rows.push(["this page", await record(page, async () => {
      await ask(page, "A long answer");
      await settled(page);
    })]);
  });
  const peer = await serveExample(server.url, { example: { folder: out, path: "/", style: "'self'" } });
  await withPageOf("about:blank", {}, async ({ page }) => {
    page.setDefaultTimeout(300_000);
    await page.goto(peer.url);
    rows.push(["all anew with react-markdown at each piece", await record(page, () => page.waitForFunction(() => document.title === "done"))]);
  });
  await peer.close();
  table(`${length} words streamed`, rows);
});

/** Scrolls as a wheel does, until `done`. */
async function wheel(page: Page, at: { x: number; y: number }, distance: number, done: () => Promise<boolean>) {
  const session = await page.context().newCDPSession(page);
  for (let step = 0; step < 60 && !(await done()); step++) {
    await session.send("Input.synthesizeScrollGesture", { ...at, yDistance: distance, speed: 10_000, gestureSourceType: "mouse", preventFling: true });
  }
  expect(await done()).toBe(true);
}

it("a long conversation, to its beginning", async () => {
  for (let count = 2; count < messages; count += 2) await exchange(`Question ${count / 2}`, thread);
  await withPageOf(`${server.url}/c/${thread}`, {}, async ({ page }) => {
    await page.getByText(`Question ${messages / 2 - 1}`, { exact: true }).waitFor();
    const frame = page.locator("#conversation").locator("..");
    const rows: [string, Frames][] = [];
    // Not asked by role: that goes through the whole page, in its own time.
    const atStart = () => frame.evaluate((element) => element.scrollTop === 0 && element.querySelector("article")?.innerText.trim() === "first");
    const up = () => wheel(page, { x: 760, y: 400 }, 10_000, atStart);
    rows.push(["up, the first time", await record(page, up, "article")]);
    await frame.evaluate((element) => (element.scrollTop = element.scrollHeight));
    rows.push(["up again", await record(page, up, "article")]);
    table(`${messages} messages`, rows);
  });
});

it("a long history, to its end", async () => {
  await exchange("The oldest");
  let left = conversations;
  await Promise.all(Array.from({ length: 16 }, async () => {
    while (left-- > 0) await exchange(`Conversation ${left}`);
  }));
  await withPageOf(server.url, {}, async ({ page }) => {
    const oldest = page.getByRole("link", { name: "The oldest" });
    await page.locator("[data-history] li").first().waitFor();
    table(`${conversations} conversations`, [["down, loading", await record(page, () => wheel(page, { x: 130, y: 500 }, -10_000, () => oldest.isVisible()))]]);
  });
});
