import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { useBrowser, withPage, type Mock } from "./page";

useBrowser();

// Each would set `hacked` or ask spy.example for something.
const payloads = [
  '<img src=x onerror="hacked=1">',
  "<script>hacked=1</script>",
  '<svg onload="hacked=1"><animate onbegin="hacked=1" /></svg>',
  '<iframe srcdoc="<script>parent.hacked=1</script>"></iframe>',
  "[press](javascript:hacked=1)",
  "[press](JaVaScRiPt&colon;hacked=1) <javascript:hacked=1>",
  "[press](vbscript:hacked=1) [press](data:text/html,<script>hacked=1</script>)",
  "![picture](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImhhY2tlZD0xIi8+) ![picture](https://spy.example/pixel.gif)",
  "[![picture](https://spy.example/in.gif)](javascript:hacked=1) **[*[~~press~~](javascript:hacked=1)*]**",
  "[by name][name]\n\n[name]: javascript:hacked=1",
  '```html"onmouseover="hacked=1\n<img src=x onerror=hacked=1>\n```',
  '<link rel="stylesheet" href="https://spy.example/a.css"><style>@import "https://spy.example/b.css"</style><base href="https://spy.example/">',
];
const rightToLeft = "\u202Egpj.exe\u202E \u2067";
const hostile = `${payloads.join("\n\n")}\n\n${rightToLeft}`;
const line = `${payloads.slice(0, 5).join(" ")} ${rightToLeft}`;

/** A conversation in which everything another person or an agent wrote is hostile. */
function plant(mock: Mock): void {
  const now = new Date().toISOString();
  const common = { conversation: "bad", timestamp: now };
  mock.state.conversations.set("bad", { id: "bad", title: line, agent_id: "demo", created_at: now, updated_at: now });
  mock.state.messages.set("bad-q", { ...common, id: "bad-q", role: "user", content: hostile, status: "complete" });
  mock.state.messages.set("bad-a", {
    ...common,
    id: "bad-a",
    parent_id: "bad-q",
    role: "assistant",
    agent_id: "demo",
    content: hostile,
    status: "completed",
    rateable: true,
    traceId: "req-00000000000000bd",
    items: [
      { type: "reasoning", id: "r", summary: [{ type: "summary_text", text: hostile }] },
      { type: "function_call", id: "f", call_id: "c", name: line, arguments: JSON.stringify({ city: hostile }) },
      { type: "function_call_output", id: "o", call_id: "c", output: hostile },
      { type: "message", id: "m", role: "assistant", status: "completed", content: [{ type: "output_text", text: hostile, annotations: [{ type: "url_citation", title: line, url: "javascript:hacked=1", start_index: 0, end_index: 9 }] }] },
    ],
  });
  mock.state.feedback.set("fb-bad", { withdrawn: false, target: "req-00000000000000bd", name: "user_feedback", value: false, reasons: [line], rationale: hostile, source_id: line, delivery: "delivered", created_at: now, updated_at: now });
}

/** Opens everything folded, presses every link that leads nowhere good, and looks for what got through. */
async function inspect(page: Page) {
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
  return page.evaluate(() => {
    const main = document.body;
    return {
      hacked: (globalThis as { hacked?: number }).hacked,
      elements: [...main.querySelectorAll("img, iframe, script:not([src]), object, embed, base, svg animate, [onerror], [onload], [onmouseover]")].map((element) => element.outerHTML),
      links: [...main.querySelectorAll("a[href]")].map((link) => (link as HTMLAnchorElement).protocol).filter((protocol) => !["http:", "https:", "mailto:"].includes(protocol)),
    };
  });
}

const inert = { hacked: undefined, elements: [], links: [] };

describe("what others wrote stays text", () => {
  it.each([
    ["in a conversation: title, question, answer, reasoning, tools, sources, comment", "/c/bad", (page: Page) => page.getByRole("article", { name: "Answer", exact: true })],
    ["on the trace page: request, spans, ratings", "/trace/bad-a", (page: Page) => page.getByRole("tree")],
  ])("%s", (_name, path, ready) =>
    withPage({}, async ({ page, mock }) => {
      plant(mock);
      const asked: string[] = [];
      page.on("request", (request) => asked.push(new URL(request.url()).origin));
      await page.goto(mock.url + path);
      await ready(page).first().waitFor();
      expect(await inspect(page)).toEqual(inert);
      expect([...new Set(asked)]).toEqual([mock.url]);
    }));

  it("on a shared page, and what turns writing round does not reach what stands beside it", () =>
    withPage({}, async ({ page, mock }) => {
      plant(mock);
      const share = (await (await fetch(`${mock.url}/api/v1/conversations/bad/share`, { method: "POST", body: "{}" })).json()) as { path: string };
      await page.goto(mock.url + share.path);
      await page.getByRole("article", { name: "Answer", exact: true }).first().waitFor();
      expect(await inspect(page)).toEqual(inert);
      await page.goto(`${mock.url}/c/bad`);
      const title = page.getByRole("navigation", { name: "Conversations" }).getByText("gpj.exe");
      expect(await title.evaluate((text) => getComputedStyle(text).unicodeBidi)).toBe("isolate");
    }));
});
