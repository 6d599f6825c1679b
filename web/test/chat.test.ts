import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { answers, ask, listen, settled, until, useBrowser, withPage } from "./page";

useBrowser();

describe("an answer", () => {
  it("streams, carries its traceId at once, and has it again after a reload", () =>
    withPage({ pace: 40 }, async ({ page }) => {
      await ask(page, "Give me a slow answer");
      const answer = answers(page).last();
      await page.getByText("sentence 2").waitFor();
      expect(await answer.getAttribute("data-status")).toBe("streaming");
      const traceId = await answer.getAttribute("data-trace-id");
      expect(traceId).toMatch(/^req-[0-9a-f]{16}$/);
      expect(page.url()).toMatch(/\/c\/conv-/);
      expect(await page.getByRole("log").getAttribute("aria-busy")).toBe("true");
      await page.reload();
      await page.getByText("sentence 4").waitFor();
      expect(await answer.getAttribute("data-trace-id")).toBe(traceId);
      expect(await answer.getAttribute("data-status")).toBe("streaming");
      await page.getByRole("button", { name: "Stop" }).click();
      await settled(page, "stopped");
      expect(await answer.getAttribute("data-trace-id")).toBe(traceId);
    }));

  it("has its actions when it has ended: the last one's are always in sight, an older one's under the mouse and with the focus", () =>
    withPage({ pace: 40, reducedMotion: "reduce" }, async ({ page }) => {
      const row = (at: number) => answers(page).nth(at).getByRole("button", { name: "Bad response" });
      const seen = (at: number) => row(at).evaluate((button) => button.checkVisibility({ opacityProperty: true }));
      await ask(page, "Hello");
      await settled(page);
      const names = await answers(page).first().locator(":is(button, a)[aria-label]:not(details *)").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));
      expect(names).toEqual(["Copy", "Good response", "Bad response", "Regenerate", "Open trace"]);
      expect(await seen(0)).toBe(true);
      await ask(page, "Give me a slow answer");
      await page.getByText("sentence 2").waitFor();
      expect(await row(1).count()).toBe(0);
      await page.keyboard.press("Escape");
      await settled(page, "stopped");
      await page.mouse.move(5, 5);
      expect([await seen(0), await seen(1)]).toEqual([false, true]);
      await row(0).focus();
      expect(await seen(0)).toBe(true);
      await page.getByRole("textbox", { name: "Message" }).focus();
      expect(await seen(0)).toBe(false);
      await answers(page).first().hover();
      expect(await seen(0)).toBe(true);
    }));

  it("is detached, so that the server goes on without the page", () =>
    withPage({}, async ({ page, mock }) => {
      await ask(page, "Hello");
      await settled(page);
      expect(mock.seen.invoke).toMatchObject([{ detach: true, stream: true, messages: [{ role: "user", content: "Hello" }] }]);
    }));

  it("names a new conversation when it ends: in the tab, and in the list", () =>
    withPage({}, async ({ page }) => {
      const list = page.getByRole("navigation", { name: "Conversations" });
      await ask(page, "Hello");
      await settled(page);
      await until(() => page.title(), "Hello · Thumbprint");
      await list.getByRole("link", { name: "Hello" }).waitFor();
    }));

  it("does not name a conversation that a person has named meanwhile", () =>
    withPage({ pace: 40 }, async ({ page }) => {
      const list = page.getByRole("navigation", { name: "Conversations" });
      await ask(page, "Give me a slow answer");
      await list.getByRole("button", { name: "Options for Untitled" }).click();
      await page.getByRole("menuitem", { name: "Rename" }).click();
      await page.getByRole("textbox", { name: "Conversation title" }).fill("Mine");
      await page.keyboard.press("Enter");
      await list.getByRole("link", { name: "Mine" }).waitFor();
      await page.getByRole("button", { name: "Stop" }).click();
      await settled(page, "stopped");
      await until(() => page.title(), "Mine · Thumbprint");
      await list.getByRole("link", { name: "Mine" }).waitFor();
    }));

  it("says what its trace adds to what its stream showed, once the trace is there", () =>
    withPage({}, async ({ page, mock }) => {
      mock.faults.traceReadyAfter = 1;
      await ask(page, "Hello");
      const answer = await settled(page);
      const line = answer.getByText(/\d+ tokens/);
      await line.click();
      await answer.getByText("First word after").waitFor();
      await until(() => mock.faults.traceReadyAfter, 0);
      expect(await answer.getByText("Trace ID").count()).toBe(0);
      await line.click();
      await line.click();
      await answer.getByText("412 in · 188 out").waitFor();
      for (const fact of [/Retrievals:\s*1/, /Model calls:\s*2/, /Spans:\s*5/, /Trace id:\s*tr-/]) await answer.getByText(fact).waitFor();
    }));

  it("goes on after the connection is cut, from where it was", () =>
    withPage({}, async ({ page, mock }) => {
      mock.faults.cutAfter = 20;
      await ask(page, "Give me a report");
      const answer = await settled(page);
      // The last bytes before a cut may be lost with it, so the page may know a little less than was sent.
      const from = mock.seen.join.map(({ lastEventId }) => Number(lastEventId));
      expect(from).toEqual([expect.toSatisfy((id: number) => id > 2 && id <= 20)]);
      const text = await answer.innerText();
      for (const once of ["what a month of ratings", "1,377", "ratings land on their traces", "documentation"]) expect(text.split(once)).toHaveLength(2);
    }));

  it("that was cut and has ended stays on the page, also when the server is gone just after", () =>
    withPage({}, async ({ page, mock }) => {
      mock.faults.cutAfter = 20;
      const stored = "**/api/v1/conversations/*/messages";
      await page.route(stored, (route) => route.abort());
      const failed = page.waitForEvent("requestfailed", (request) => request.url().endsWith("/messages"));
      await ask(page, "Give me a report");
      await failed;
      const answer = await settled(page);
      expect(await answer.innerText()).toContain("What to do next");
      expect(await page.getByText("could not be loaded").count()).toBe(0);
    }));

  it("that can neither be joined again nor be read keeps what it said, and is no more being written, until the server tells what it became", () =>
    withPage({}, async ({ page, mock }) => {
      const broken = /\/messages$|\/stream$/;
      await page.route(broken, (route) => route.fulfill({ status: 500, json: { status: 500, code: "broken", detail: "Nothing can be read now." } }));
      await ask(page, "Give me a report");
      await answers(page).last().getByText("a month of ratings").waitFor(); // what a browser has not handed on when the connection breaks is lost
      mock.faults.cutAfter = 1;
      const answer = await settled(page, "failed");
      expect(await answer.getByRole("alert").innerText()).toContain("Nothing can be read now.");
      expect(await answer.innerText()).toContain("a month of ratings");
      expect(await page.getByText("could not be loaded").count()).toBe(0);
      await page.unroute(broken);
      await until(() => ([...mock.state.messages.values()].at(-1) as { status?: string }).status, "completed");
      await page.evaluate(() => dispatchEvent(new Event("online")));
      expect(await (await settled(page)).innerText()).toContain("What to do next");
    }));

  it("that is stopped keeps what it said, says so, and can be rated", () =>
    withPage({ pace: 40 }, async ({ page }) => {
      await ask(page, "Give me a slow answer");
      await page.getByText("sentence 2").waitFor();
      await page.keyboard.press("Escape");
      const answer = await settled(page, "stopped");
      expect(await answer.innerText()).toContain("Stopped");
      await answer.getByRole("button", { name: "Good response" }).waitFor();
      await page.reload();
      await settled(page, "stopped");
      expect(await answer.innerText()).toContain("sentence 2");
    }));

  it("that the agent cut off says by what, to the eye and to the ear, and after a reload", () =>
    withPage({}, async ({ page }) => {
      for (const [prompt, why] of [["Meet the filter", "Cut off by the agent’s content filter"], ["Run into your limit", "Cut off: the answer reached its length limit"]] as const) {
        await ask(page, prompt);
        await page.getByRole("article", { name: "Answer" }).getByText(why).waitFor();
        await page.locator('[role="status"]').filter({ hasText: why }).waitFor({ state: "attached" });
      }
      await page.reload();
      const answer = await settled(page, "stopped");
      expect(await answer.innerText()).toContain("Cut off: the answer reached its length limit");
      await answer.getByRole("button", { name: "Good response" }).waitFor();
    }));

  it("that fails says why inside, keeps its thumbs, and is tried again as a sibling", () =>
    withPage({}, async ({ page }) => {
      await ask(page, "Show what a failure looks like");
      const answer = await settled(page, "failed");
      expect(await answer.getByRole("alert").innerText()).toContain("stopped in the middle");
      await answer.getByRole("button", { name: "Bad response" }).waitFor();
      await answer.getByRole("button", { name: "Retry" }).click();
      await page.getByText("2/2").waitFor();
    }));

  it("shows tools and reasoning folded, and sources as footnotes", () =>
    withPage({}, async ({ page }) => {
      await ask(page, "Show me a tool call");
      const answer = await settled(page);
      expect(await answer.getByText('"temp": 18').isVisible()).toBe(false);
      await answer.getByText("Used get_weather").click();
      expect(await answer.getByText('"temp": 18').isVisible()).toBe(true);
      await ask(page, "Answer with sources");
      await settled(page);
      const source = answers(page).last().getByRole("list", { name: "Sources" }).getByRole("link", { name: "Feedback" });
      expect(await source.getAttribute("rel")).toContain("noopener");
      expect(await answers(page).last().locator("a.cite").count()).toBe(2);
    }));

  it("counts what went wrong, and tells what it was", () =>
    withPage({}, async ({ page }) => {
      await ask(page, "Use a broken tool");
      const answer = await settled(page);
      await answer.getByText("get_stock failed").click();
      await answer.getByText("The warehouse does not answer.").waitFor();
      await answer.getByText("1 error").click();
      expect(await answer.locator("dl").innerText()).toContain((await answer.getAttribute("data-trace-id")) ?? "none");
    }));

  it("that fails early names its error and its id for whoever is asked", () =>
    withPage({}, async ({ page }) => {
      await ask(page, "fail early");
      const answer = await settled(page, "failed");
      expect(await answer.getByText("agent_unreachable").isVisible()).toBe(false);
      await answer.getByText("Details").click();
      expect(await answer.getByText("agent_unreachable").isVisible()).toBe(true);
      await answer.getByText((await answer.getAttribute("data-trace-id")) ?? "none").first().waitFor();
    }));

  it("that asks for permission is told the decision, once", () =>
    withPage({}, async ({ page, mock }) => {
      await ask(page, "Please approve this");
      const answer = await settled(page);
      await answer.getByRole("button", { name: "Deny" }).click();
      await page.getByText("You denied it.").waitFor();
      expect(mock.seen.invoke[1]).toMatchObject({ messages: [], approvals: [{ id: "mcpr_1", approve: false }], parent_id: await answers(page).first().getAttribute("data-message-id") });
      expect(await page.getByRole("button", { name: "Deny" }).count()).toBe(0);
      await page.reload();
      await page.getByText("You denied it.").waitFor();
      expect(await page.getByRole("button", { name: "Allow" }).count()).toBe(0);
      // Only a question can be asked again.
      expect(await page.getByRole("button", { name: "Regenerate" }).count()).toBe(1);
    }));

  it("has its code in colours, under the policy that forbids inline style, and loads what colours it only then", () =>
    withPage({}, async ({ page }) => {
      await page.waitForLoadState("networkidle");
      const scripts: string[] = [];
      page.on("response", (response) => response.url().endsWith(".js") && scripts.push(new URL(response.url()).pathname));
      await ask(page, "Hello");
      await settled(page);
      expect(scripts).toEqual([]);
      await ask(page, "Give me a report");
      const code = answers(page).last().locator("figure code");
      await code.locator(".code-keyword", { hasText: "import" }).waitFor();
      expect(await code.innerText()).toContain('    filter_string="feedback.user_feedback = \'false\'",\n    max_results=100,');
      expect(await answers(page).last().locator("figure [style]").count()).toBe(0);
      expect(scripts.some((script) => script.includes("python"))).toBe(true);
    }));

  it("has its formulas drawn, under the same policy, and loads what draws them only then", () =>
    withPage({}, async ({ page }) => {
      await page.waitForLoadState("networkidle");
      const files: string[] = [];
      page.on("response", (response) => /\.(?:js|css)$/.test(response.url()) && files.push(new URL(response.url()).pathname));
      await ask(page, "Hello, does it cost $5 or $6?");
      await settled(page);
      expect(files).toEqual([]);
      await ask(page, "Show some maths");
      await page.locator('article[data-status="completed"]').nth(1).waitFor();
      const answer = answers(page).last();
      // Two in the text, two displayed, one in the table; the sixth is not valid and stays as it was written.
      await until(() => answer.locator("math").count(), 5);
      expect(await answer.locator("math mfrac").count()).toBe(2);
      expect(await answer.locator(".tex").allInnerTexts()).toEqual(["\\frac{1}"]);
      expect(await answer.innerText()).toContain("It costs $5 and $6, which is no maths");
      expect(files.some((file) => file.includes("formulas"))).toBe(true);
    }));

  it("runs nothing and loads nothing that it brings along", () =>
    withPage({}, async ({ page }) => {
      const asked: string[] = [];
      page.on("request", (request) => asked.push(request.url()));
      await ask(page, "hostile");
      const answer = await settled(page);
      expect(await page.evaluate(() => (globalThis as { hacked?: number }).hacked)).toBeUndefined();
      expect(await answer.locator("img, iframe, script").count()).toBe(0);
      expect(await answer.locator(".prose a").evaluateAll((links) => links.map((link) => link.getAttribute("href")).filter((href) => href !== "https://spy.example/pixel.gif" && href !== "")).then((hrefs) => hrefs.filter(Boolean))).toEqual([]);
      expect(asked.filter((url) => url.includes("spy"))).toEqual([]);
    }));
});

describe("versions", () => {
  it("regenerating makes a sibling with its own id", () =>
    withPage({}, async ({ page, mock }) => {
      await ask(page, "Hello");
      const answer = await settled(page);
      const first = await answer.getAttribute("data-trace-id");
      await answer.getByRole("button", { name: "Regenerate" }).click();
      await page.getByText("2/2").waitFor();
      await settled(page);
      expect(mock.seen.invoke[1]).toMatchObject({ messages: [] });
      expect(await answer.getAttribute("data-trace-id")).not.toBe(first);
      await answer.getByRole("button", { name: "Previous version" }).click();
      await page.getByText("1/2").waitFor();
      expect(await answer.getAttribute("data-trace-id")).toBe(first);
    }));

  it("editing a question makes a branch, also at the first question", () =>
    withPage({}, async ({ page, mock }) => {
      await ask(page, "Hello");
      await settled(page);
      await page.getByRole("button", { name: "Edit message" }).click();
      await page.getByRole("textbox", { name: "Edit your message" }).fill("Goodbye");
      await page.keyboard.press("Enter");
      await page.getByText("You said: Goodbye.").waitFor();
      expect(mock.seen.invoke[1]).toMatchObject({ parent_id: "root", messages: [{ content: "Goodbye" }] });
      const question = page.getByRole("article", { name: "Your message" });
      await question.getByText("2/2").waitFor();
      await question.getByRole("button", { name: "Previous version" }).click();
      await page.getByText("You said: Hello.").waitFor();
    }));
});

describe("the composer", () => {
  it("keeps a draft across a reload, sends with Enter, breaks the line with Shift+Enter", () =>
    withPage({}, async ({ page, mock }) => {
      const box = page.getByRole("textbox", { name: "Message" });
      await box.fill("one");
      await page.reload();
      await until(() => box.inputValue(), "one");
      await box.press("End");
      await box.press("Shift+Enter");
      await box.pressSequentially("two");
      await box.press("Enter");
      await settled(page);
      expect(mock.seen.invoke[0]?.messages).toEqual([{ role: "user", content: "one\ntwo" }]);
      expect(await box.inputValue()).toBe("");
    }));

  it("gives the text back when the server refuses it, and says why", () =>
    withPage({}, async ({ page }) => {
      await ask(page, "please refuse this");
      await page.getByRole("alert").getByText("The message is too long").waitFor();
      await until(() => page.getByRole("textbox", { name: "Message" }).inputValue(), "please refuse this");
      expect(await answers(page).count()).toBe(0);
    }));

  it("gives the text back when the server cannot be reached, and leaves the conversation as it is", () =>
    withPage({ path: "/c/conv-2" }, async ({ page }) => {
      await page.getByText("An answer about").waitFor();
      await page.context().setOffline(true);
      await ask(page, "Is anybody there?");
      await page.getByRole("alert").getByText("The server cannot be reached.").waitFor();
      await until(() => page.getByRole("textbox", { name: "Message" }).inputValue(), "Is anybody there?");
      await page.context().setOffline(false);
      await page.getByRole("button", { name: "Send message" }).click();
      await page.getByText("You said: Is anybody there?").waitFor();
      expect(await answers(page).count()).toBe(2);
    }));

  it("shows a question that arrived although its request was cut, once the network is back", () =>
    withPage({ path: "/c/conv-2" }, async ({ page, mock }) => {
      await page.getByText("An answer about").waitFor();
      await page.route("**/invocations", async (route) => {
        await page.context().setOffline(true);
        const request = route.request();
        await fetch(request.url(), { method: "POST", body: request.postData() }).then((response) => response.text());
        await route.abort("connectionreset");
      });
      await ask(page, "Is anybody there?");
      await page.getByRole("alert").getByText("The server cannot be reached.").waitFor();
      expect(await answers(page).count()).toBe(1);
      await page.context().setOffline(false);
      await page.getByText("You said: Is anybody there?").waitFor();
      expect(mock.seen.invoke).toHaveLength(1);
    }));

  it("tries again to load what could not be loaded, once the network is back", () =>
    withPage({}, async ({ page }) => {
      await page.route("**/messages", (route) => route.abort());
      await page.locator('a[href="/c/conv-2"]').click();
      await page.getByText("could not be loaded").waitFor();
      await page.unroute("**/messages");
      await page.evaluate(() => dispatchEvent(new Event("online")));
      await page.getByText("An answer about").waitFor();
    }));

  it("says that a conversation is gone that was deleted elsewhere", () =>
    withPage({ path: "/c/conv-2" }, async ({ page, mock }) => {
      await page.getByText("An answer about").waitFor();
      mock.state.conversations.delete("conv-2");
      await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
      await page.getByText("This conversation does not exist").waitFor();
    }));

  it("does not send what an input method is still composing", () =>
    withPage({}, async ({ page, mock }) => {
      await page.getByRole("textbox", { name: "Message" }).fill("かん");
      await page.getByRole("textbox", { name: "Message" }).dispatchEvent("keydown", { key: "Enter", isComposing: true, keyCode: 229 });
      expect(mock.seen.invoke).toEqual([]);
    }));
});

describe("history", () => {
  it("is grouped, searched, renamed and deleted", () =>
    withPage({}, async ({ page, mock }) => {
      const list = page.getByRole("navigation", { name: "Conversations" });
      for (const name of ["Today", "Yesterday", "Previous 7 days", "Previous 30 days", "Older"]) await list.getByRole("heading", { name }).waitFor();
      await page.keyboard.press("Control+k");
      await page.keyboard.type("first");
      await until(() => list.getByRole("listitem").count(), 1);
      expect(await list.locator("mark").innerText()).toBe("First");
      await list.getByRole("button", { name: "Options for First try" }).click();
      await page.getByRole("menuitem", { name: "Rename" }).click();
      await page.getByRole("textbox", { name: "Conversation title" }).fill("My first one");
      await page.keyboard.press("Enter");
      await list.getByRole("link", { name: "My first one" }).click();
      await page.getByText("An answer about: First try").waitFor();
      await page.getByRole("textbox", { name: "Message" }).fill("A draft");
      await list.getByRole("button", { name: "Options for My first one" }).click();
      await page.getByRole("menuitem", { name: "Delete" }).click();
      await until(() => new URL(page.url()).pathname, "/");
      await list.getByRole("link", { name: "My first one" }).waitFor({ state: "detached" });
      await page.getByRole("button", { name: "Undo" }).click();
      await page.getByText("An answer about: First try").waitFor();
      expect(mock.state.conversations.has("conv-7")).toBe(true);
      await list.getByRole("button", { name: "Options for My first one" }).click();
      await page.getByRole("menuitem", { name: "Delete" }).click();
      await page.getByRole("button", { name: "Undo" }).waitFor();
      // Leaving the page is no undo.
      await page.reload();
      await until(() => mock.state.conversations.has("conv-7"), false);
      await list.getByRole("link", { name: "Ratings in October" }).waitFor();
      expect(await list.getByRole("link", { name: "My first one" }).count()).toBe(0);
      expect(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes("conv-7")))).toEqual([]);
    }));

  it("shows where a message has what is searched for", () =>
    withPage({}, async ({ page }) => {
      const list = page.getByRole("navigation", { name: "Conversations" });
      await page.getByRole("searchbox", { name: "Search conversations" }).fill("retriever");
      await until(() => list.getByRole("listitem").count(), 1);
      const link = list.getByRole("link", { name: /^Ratings in October/ });
      expect(await link.innerText()).toContain("the retriever's index was rebuilt");
      expect(await link.locator("mark").innerText()).toBe("retriever");
    }));

  it("can be taken along, as Markdown and as JSON", () =>
    withPage({}, async ({ page }) => {
      const files: Record<string, string> = {};
      for (const name of ["Export as Markdown", "Export as JSON"]) {
        await page.getByRole("button", { name: "Options for First try" }).click();
        const download = page.waitForEvent("download");
        await page.getByRole("menuitem", { name }).click();
        const file = await download;
        files[file.suggestedFilename()] = await readFile(await file.path(), "utf8");
      }
      expect(files["First-try.md"]).toBe("# First try\n\n## You\n\nFirst try\n\n## Demo agent\n\nAn answer about: First try\n");
      expect(JSON.parse(files["First-try.json"] ?? "")).toMatchObject({ id: "conv-7", messages: [{ role: "user" }, { traceId: "req-0000000000000006" }] });
    }));

  it("can be taken along as a whole", () =>
    withPage({}, async ({ page, mock }) => {
      for (let n = 0; n < 160; n++) mock.state.conversations.set(`more-${n}`, { id: `more-${n}`, title: `More ${n}`, agent_id: "demo", created_at: "2026-01-01T00:00:00Z", updated_at: "2026-01-01T00:00:00Z" });
      const files: string[] = [];
      for (const name of ["Export all as JSON", "Export all as Markdown"]) {
        await page.getByRole("button", { name: "Settings" }).click();
        const download = page.waitForEvent("download");
        await page.getByRole("menuitem", { name }).click();
        files.push(await readFile(await (await download).path(), "utf8"));
        await page.getByRole("region", { name: "Notifications" }).getByText("Collecting your conversations").waitFor({ state: "detached" });
      }
      const { conversations } = JSON.parse(files[0] ?? "") as { conversations: { id: string; messages: unknown[] }[] };
      expect(conversations).toHaveLength(167);
      expect(conversations.find(({ id }) => id === "conv-7")?.messages).toHaveLength(2);
      expect(files[1]?.match(/^# /gm)).toHaveLength(167);
    }));

  it("a conversation that is not there says so", () =>
    withPage({ path: "/c/none" }, async ({ page }) => {
      await page.getByText("does not exist, or it is not yours").waitFor();
    }));

  it("a running answer goes on while another conversation is read", () =>
    withPage({ pace: 20 }, async ({ page }) => {
      await ask(page, "Give me a slow answer");
      await page.getByText("sentence 2").waitFor();
      await page.getByRole("link", { name: "First try" }).click();
      await page.getByText("An answer about: First try").waitFor();
      await page.goBack();
      await page.getByText("sentence 6").waitFor();
    }));
});

describe("the end of a conversation", () => {
  it("is followed whatever comes at once, until the person goes up", () =>
    withPage({ path: "/c/conv-1", viewport: { width: 800, height: 500 }, reducedMotion: "reduce" }, async ({ page }) => {
      await page.locator(".code-keyword").first().waitFor();
      /** Much is written just as the page moves, as it does when an answer ends; returns how far off the end is then. */
      const grow = () =>
        page.evaluate(async () => {
          const content = document.getElementById("conversation") as HTMLElement;
          const frame = content.parentElement as HTMLElement;
          const top = frame.scrollTop;
          frame.scrollTop -= 1;
          frame.scrollTop = top;
          const block = document.createElement("div");
          block.style.height = "400px";
          content.append(block);
          for (let frames = 0; frames < 3; frames++) await new Promise((resolve) => requestAnimationFrame(resolve));
          return Math.round(frame.scrollHeight - frame.scrollTop - frame.clientHeight);
        });
      expect(await grow()).toBe(0);
      expect(await page.getByRole("button", { name: "Jump to latest" }).count()).toBe(0);
      await page.setViewportSize({ width: 800, height: 400 });
      await until(grow, 0);
      await page.getByRole("article").last().hover();
      await page.mouse.wheel(0, -300);
      await page.getByRole("button", { name: "Jump to latest" }).waitFor();
      expect(await grow()).toBeGreaterThan(400);
      await page.getByRole("button", { name: "Jump to latest" }).click();
      expect(await grow()).toBe(0);
    }));

  it("is left by who goes up just as the page follows what was written", () =>
    withPage({ path: "/c/conv-1", viewport: { width: 800, height: 500 }, reducedMotion: "reduce" }, async ({ page }) => {
      await page.locator(".code-keyword").first().waitFor();
      const offEnd = await page.evaluate(async () => {
        const content = document.getElementById("conversation") as HTMLElement;
        const frame = content.parentElement as HTMLElement;
        const write = () => {
          const block = document.createElement("div");
          block.style.height = "400px";
          content.append(block);
        };
        const frames = async () => {
          for (let count = 0; count < 3; count++) await new Promise((resolve) => requestAnimationFrame(resolve));
        };
        let up = 0;
        // It hears of the same growth after the page, and before the page's scroll event: both movements are one event.
        new ResizeObserver(() => {
          frame.scrollTop -= up;
          up = 0;
        }).observe(content);
        await frames();
        up = 100;
        write();
        await frames();
        write();
        await frames();
        return Math.round(frame.scrollHeight - frame.scrollTop - frame.clientHeight);
      });
      expect(offEnd).toBeGreaterThanOrEqual(500);
      await page.getByRole("button", { name: "Jump to latest" }).waitFor();
    }));
});

/** Goes up to the beginning, or so many steps; returns by how much what was read jumped, at most. */
const goUp = (page: Page, steps: number) =>
  page.evaluate(async (most) => {
    const frame = document.getElementById("conversation")?.parentElement as HTMLElement;
    const frames = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    await frames();
    let worst = 0;
    for (let step = 0; step < most && !(frame.scrollTop === 0 && document.querySelector('[data-message-id="q0"]')); step++) {
      frame.scrollTop -= 900;
      const seen = [...frame.querySelectorAll("article")].find((article) => article.getBoundingClientRect().bottom > 200) as HTMLElement;
      const at = seen.getBoundingClientRect().top;
      await frames();
      worst = Math.max(worst, Math.abs(seen.getBoundingClientRect().top - at));
    }
    return worst;
  }, steps);

describe("a conversation of a thousand messages", () => {
  it("is there at once, at its end, and goes back to its beginning without a jump", () =>
    withPage({}, async ({ page, mock }) => {
      const now = new Date().toISOString();
      mock.state.conversations.set("long", { id: "long", title: "Long", agent_id: "demo", created_at: now, updated_at: now });
      for (let n = 0; n < 500; n++) {
        const common = { timestamp: new Date(Date.UTC(2026, 0, 1, 0, n)).toISOString(), conversation: "long" };
        mock.state.messages.set(`q${n}`, { ...common, id: `q${n}`, parent_id: n === 0 ? undefined : `a${n - 1}`, role: "user", content: `Question number ${n}`, status: "complete" });
        mock.state.messages.set(`a${n}`, { ...common, id: `a${n}`, parent_id: `q${n}`, role: "assistant", agent_id: "demo", content: `Answer number ${n}\n\n- with\n- ${"a long list ".repeat((n * 7) % 30)}`, status: "completed", rateable: true, traceId: `req-${String(n).padStart(16, "0")}` });
      }
      await page.goto(new URL("/c/long", page.url()).href);
      await page.getByText("Answer number 499").waitFor();
      expect(await page.getByRole("article").count()).toBeLessThanOrEqual(60);
      expect(await goUp(page, 600)).toBeLessThanOrEqual(2);
      await page.getByText("Question number 0", { exact: true }).waitFor();
      // What is far away waits, so that a step costs the same however many are drawn; the last are all there.
      const laidOut = () => page.getByRole("article").evaluateAll((articles) => articles.map((article) => article.checkVisibility({ contentVisibilityAuto: true })));
      await until(async () => (await laidOut()).filter(Boolean).length < 150, true);
      expect((await laidOut()).slice(-40)).not.toContain(false);
      await page.getByRole("button", { name: "Jump to latest" }).click();
      await page.getByText("Answer number 499").waitFor();
      // Nor does it jump where another width has made other heights.
      await page.setViewportSize({ width: 600, height: 800 });
      expect(await goUp(page, 80)).toBeLessThanOrEqual(2);
      await page.getByRole("button", { name: "Jump to latest" }).click();
      await ask(page, "Hello");
      await page.getByText("You said: Hello").waitFor();
      expect(await page.getByRole("article").count()).toBeLessThanOrEqual(60);
    }));
});

describe("the frame", () => {
  it("works with the keyboard: new chat, help, skip link", () =>
    withPage({ path: "/c/conv-1" }, async ({ page }) => {
      await page.getByText("What to do next").waitFor();
      await page.keyboard.press("Control+/");
      await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
      await page.keyboard.press("Escape");
      await page.keyboard.press("Control+Shift+O");
      await page.getByRole("heading", { name: "What would you like to know?" }).waitFor();
      await until(() => page.evaluate(() => document.activeElement?.id), "message");
    }));

  it.each([
    ["in English", "en-US", "Linux x86_64", "Control", ["Ctrl", "Shift", "O"], "Ctrl+Z"],
    ["in German", "de-DE", "Win32", "Control", ["Strg", "Umschalt", "O"], "Strg+Z"],
    ["in German on a Mac", "de-DE", "MacIntel", "Meta", ["⌘", "Umschalt", "O"], "⌘Z"],
  ])("names keys as they are written on the keyboard, %s", (name, locale, platform, mod, newChat, undo) =>
    withPage({ path: "/c/conv-1", locale }, async ({ page }) => {
      await page.addInitScript((value) => Object.defineProperty(navigator, "platform", { value }), platform);
      await page.reload();
      await page.getByText("What to do next").waitFor();
      await page.keyboard.press(`${mod}+/`);
      const sheet = page.getByRole("dialog");
      await sheet.waitFor();
      expect(await sheet.locator("dd").evaluateAll((all) => all.map((keys) => [...keys.children].map((key) => key.textContent)))).toContainEqual(newChat);
      if (process.env.LOOK) await page.screenshot({ path: `${process.env.LOOK}/keys-${name.replaceAll(" ", "-")}.png` });
      await page.keyboard.press("Escape");
      await page.getByRole("banner").getByRole("button", { name: /^Option/ }).click();
      await page.getByRole("menuitem", { name: /^(Delete|Löschen)$/ }).click();
      await page.getByRole("region", { name: /^(Notifications|Mitteilungen)$/ }).getByText(undo, { exact: true }).waitFor();
    }));

  it("copies the last answer and the last code block by keyboard", () =>
    withPage({ path: "/c/conv-1", permissions: ["clipboard-read", "clipboard-write"] }, async ({ page }) => {
      await page.getByText("What to do next").waitFor();
      const copied = () => page.evaluate(() => navigator.clipboard.readText());
      const said = await listen(page);
      await page.keyboard.press("Control+Shift+C");
      await until(async () => (await said()).at(-1), "Copied");
      await until(async () => (await copied()).startsWith("Here is **what a month of ratings** looks like"), true);
      await page.keyboard.press("Control+Shift+Semicolon");
      await until(async () => (await copied()).startsWith("import mlflow\n\ntraces = "), true);
    }));

  it("copies on a plain http host too, where there is no clipboard to ask, and leaves the focus", () =>
    withPage({ path: "/c/conv-1" }, async ({ page }) => {
      await page.addInitScript(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
      await page.reload();
      await page.getByText("What to do next").waitFor();
      const button = page.getByRole("article", { name: "Answer" }).last().getByRole("button", { name: "Copy", exact: true });
      const said = await listen(page);
      await button.press("Enter");
      await until(said, ["Copied"]);
      expect(await button.evaluate((element) => element === document.activeElement)).toBe(true);
      await page.getByRole("textbox", { name: "Message" }).focus();
      await page.keyboard.press("Control+v");
      expect(await page.getByRole("textbox", { name: "Message" }).inputValue()).toContain("Here is **what a month of ratings** looks like");
    }));

  it.each([
    ["en-US", "Copy", "Select the text"],
    ["de-DE", "Kopieren", "Markiere den Text"],
  ])("says what to do where nothing can be copied (%s)", (locale, name, words) =>
    withPage({ path: "/c/conv-1", locale }, async ({ page }) => {
      await page.evaluate(() => {
        Object.defineProperty(navigator, "clipboard", { value: undefined });
        document.execCommand = () => false;
      });
      await answers(page).or(page.getByRole("article", { name: "Antwort", exact: true })).last().getByRole("button", { name, exact: true }).click();
      await page.getByRole("alert").getByText(words).waitFor();
      if (process.env.LOOK) await page.screenshot({ path: `${process.env.LOOK}/copy-${locale}.png` });
    }));

  it("is turned round by a language that is written from the right", () =>
    withPage({ path: "/c/conv-1" }, async ({ page }) => {
      await page.getByText("What to do next").waitFor();
      await page.evaluate(() => (document.documentElement.dir = "rtl"));
      const left = async (name: string) => (await page.getByRole("navigation", { name }).boundingBox())?.x ?? 0;
      expect(await left("Conversations")).toBeGreaterThan(900);
      // What the person wrote stands at its end, which is now on the left.
      const question = await page.getByRole("article", { name: "Your message" }).locator("div").first().boundingBox();
      expect(question?.x).toBeLessThan(400);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(1280);
    }));

  it("has a drawer on a phone, and nothing sticks out at 320 px", () =>
    withPage({ path: "/c/conv-1", viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true }, async ({ page }) => {
      await page.getByText("What to do next").waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);
      await page.getByRole("button", { name: "Open sidebar" }).click();
      const drawer = page.getByRole("dialog", { name: "Conversations" });
      await drawer.getByRole("link", { name: "First try" }).click();
      await page.getByText("An answer about: First try").waitFor();
      await drawer.waitFor({ state: "detached" });
    }));

  // 200 % zoom on 1280 × 800 is a page of 640 × 400.
  it.each([
    ["a narrow phone", { width: 320, height: 640 }],
    ["200 % zoom", { width: 640, height: 400 }],
    ["a tablet", { width: 820, height: 1180 }],
  ])("fits in German on %s, thumbs and form included", (_name, viewport) =>
    withPage({ path: "/c/conv-1", viewport, locale: "de-DE" }, async ({ page }) => {
      await page.getByRole("button", { name: "Schlechte Antwort" }).click();
      const send = page.getByRole("dialog").getByRole("button", { name: "Senden", exact: true });
      await send.scrollIntoViewIfNeeded();
      const box = await send.boundingBox();
      expect(box && box.x >= 0 && box.x + box.width <= viewport.width && box.y + box.height <= viewport.height).toBe(true);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(viewport.width);
    }));

  it("speaks German and remembers the theme", () =>
    withPage({ locale: "de-DE", colorScheme: "light" }, async ({ page }) => {
      await page.getByRole("heading", { name: "Was möchtest du wissen?" }).waitFor();
      expect(await page.evaluate(() => document.documentElement.lang)).toBe("de");
      await page.getByRole("button", { name: "Einstellungen" }).click();
      await page.getByRole("menuitemradio", { name: "Dunkel" }).click();
      await page.reload();
      await until(() => page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "dark");
    }));
});
