// Draws every state of the page, on desktop and phone, light and dark, into a
// folder of pictures to look at, and runs axe on each.
// Usage: node dev/look.mjs FOLDER [STATE…]
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { launch } from "./browser.mjs";
import { startMock } from "./mock.mjs";

const [folder = "shots", ...wanted] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const browser = await launch();
let violations = 0;
let mock;

const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const answered = (page) => page.locator('article[data-status]:not([data-status="streaming"])').last().waitFor();
const ask = async (page, text) => {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.keyboard.press("Enter");
};

const shareOf = async (id) => (await (await fetch(`${mock.url}/api/v1/conversations/${id}/share`, { method: "POST", body: "{}" })).json()).path;

/** Each state: where to go and what to do before the picture is taken. */
const states = {
  empty: ["/"],
  report: ["/c/conv-1", (page) => page.locator(".code-keyword").first().waitFor()],
  imported: ["/c/conv-3"],
  search: ["/", async (page, size) => {
    if (size === "phone") await page.getByRole("button", { name: "Open sidebar" }).click();
    await page.getByRole("searchbox").fill("re");
    await page.locator("mark").first().waitFor();
  }],
  broken: ["/", async (page) => {
    await ask(page, "Use a broken tool");
    await answered(page);
    await page.getByText("get_stock failed").click();
    await page.getByText("1 error").click();
  }],
  details: ["/", async (page) => {
    await ask(page, "fail early");
    await answered(page);
    await page.getByText("Details").click();
  }],
  maths: ["/", async (page) => {
    await ask(page, "Show some maths");
    await answered(page);
    await page.locator("math").first().waitFor();
  }],
  down: ["/c/conv-2", async (page) => {
    await page.getByRole("button", { name: "Bad response" }).click();
    await page.getByRole("button", { name: "Inaccurate" }).click();
  }],
  rated: ["/c/conv-4", async (page) => {
    await page.getByRole("button", { name: "Bad response" }).click();
    await page.getByRole("textbox", { name: "Comment" }).fill("Wrong city, and a little late");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await page.getByText("On the trace").waitFor();
  }],
  refused: ["/c/conv-5", async (page) => {
    mock.faults.rate = 404;
    await page.getByRole("button", { name: "Good response" }).click();
    await page.locator("section").getByRole("alert").waitFor();
    mock.faults.rate = 0;
  }],
  unsent: ["/c/conv-2", async (page) => {
    await page.getByRole("button", { name: "Good response" }).waitFor();
    await page.context().setOffline(true);
    await page.getByRole("button", { name: "Good response" }).click();
    await page.getByText("kept in this browser").waitFor();
  }],
  undelivered: ["/c/conv-2", async (page) => {
    mock.faults.waiting = "failed";
    await page.getByRole("button", { name: "Bad response" }).click();
    await page.getByRole("textbox", { name: "Comment" }).fill("Typed, and not sent");
    await page.getByRole("heading", { name: "How do I return an order?" }).or(page.getByRole("article").first()).last().click();
    await page.getByText("Draft").waitFor();
  }],
  unreachable: ["/c/conv-2", async (page) => {
    await page.getByRole("button", { name: "Good response" }).waitFor();
    await page.context().setOffline(true);
    await ask(page, "Is anybody there?");
    await page.getByRole("alert").first().waitFor();
  }],
  help_asked: ["/c/conv-2", async (page) => {
    await page.route("**/api/log_assessment", (route) => route.fulfill({ status: 413, headers: { "X-Request-Id": "gw-4711" }, json: { status: 413, detail: "The comment is too long.", hint: "Shorten it to 4,000 characters." } }));
    await page.getByRole("button", { name: "Bad response" }).click();
    await page.getByText("gw-4711").waitFor();
  }],
  missing: ["/c/none", (page) => page.getByText("does not exist").waitFor()],
  listless: ["/", async (page, size) => {
    mock.faults.list = 400;
    await page.reload();
    if (size === "phone") await page.getByRole("button", { name: "Open sidebar" }).click();
    await page.getByText("could not be loaded").waitFor();
  }],
  editing: ["/c/conv-2", async (page) => {
    await page.getByRole("button", { name: "Edit message" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("textbox", { name: "Edit your message" }).waitFor();
  }],
  renaming: ["/c/conv-2", async (page) => {
    await page.getByRole("button", { name: "Options for this conversation" }).click();
    await page.getByRole("menuitem", { name: "Rename" }).click();
    await page.getByRole("textbox", { name: "Conversation title" }).waitFor();
  }],
  asked: ["/c/conv-2", async (page) => {
    await page.getByRole("button", { name: "Options for this conversation" }).click();
    await page.getByRole("menuitem", { name: "Rate this conversation" }).click();
    await page.getByRole("group", { name: "Rate this conversation" }).getByRole("button", { name: "Good response" }).click();
    await page.locator('[data-delivery="delivered"]').last().waitFor();
  }],
  untraced: ["/trace/conv-4-a", async (page) => {
    mock.faults.traceReadyAfter = 1e6;
    await page.reload();
    await page.getByText("Waiting for the trace").waitFor();
  }],
  traceless: ["/traces?state=IN_PROGRESS", (page) => page.getByText("No traces match.").last().waitFor()],
  tool: ["/", async (page) => {
    await ask(page, "Show me a tool call");
    await answered(page);
    await page.getByText("Used get_weather").click();
  }],
  sources: ["/", async (page) => {
    await ask(page, "Answer with sources");
    await answered(page);
  }],
  approval: ["/", async (page) => {
    await ask(page, "Please approve this");
    await answered(page);
  }],
  detail: ["/", async (page) => {
    await page.getByRole("button", { name: /^Agent:/ }).click();
    await page.getByRole("menuitemradio", { name: "Asks for more" }).click();
    await ask(page, "Give me a report");
    await answered(page);
    await page.getByRole("button", { name: "Good response" }).click();
    await page.getByText("Rate in detail").last().click();
    await page.getByRole("radiogroup", { name: "Helpfulness" }).getByText("4").click();
    await page.getByRole("radiogroup", { name: "Tone of voice" }).getByText("Cold").click();
    await page.getByRole("button", { name: "It did not greet me" }).click();
    await page.locator('fieldset [data-delivery="delivered"]').nth(1).waitFor();
  }],
  summary: ["/", async (page) => {
    await ask(page, "Show me a tool call");
    await answered(page);
    await page.getByText("1 tool call").click();
  }],
  streaming: ["/", async (page) => {
    await ask(page, "Give me a slow answer");
    await page.getByText("sentence 4").waitFor();
  }],
  failed: ["/", async (page) => {
    await ask(page, "Show what a failure looks like");
    await answered(page);
  }],
  cut: ["/", async (page) => {
    await ask(page, "Run into your limit");
    await answered(page);
  }],
  versions: ["/", async (page) => {
    await ask(page, "Hello");
    await answered(page);
    await page.getByRole("button", { name: "Regenerate" }).click();
    await page.getByText("2/2").waitFor();
    await answered(page);
  }],
  trace: ["/trace/conv-4-a", async (page) => {
    await page.getByRole("treeitem", { name: /write_answer/ }).click();
  }],
  documents: ["/trace/conv-4-a?span=a2", (page) => page.getByText("Show all").waitFor()],
  error: ["/trace/conv-4-a", async (page) => {
    mock.faults.trace = "failed";
    await page.reload();
    await page.getByRole("button", { name: "1 error" }).click();
    await page.getByText("Stack trace").click();
  }],
  large: ["/trace/conv-4-a", async (page) => {
    mock.faults.trace = "large";
    await page.reload();
    await page.getByRole("button", { name: "3 errors" }).click();
  }],
  deep: ["/trace/conv-4-a", async (page) => {
    mock.faults.trace = "deep";
    await page.reload();
    await page.getByRole("treeitem").first().focus();
    await page.keyboard.press("End");
  }],
  spanless: ["/trace/conv-4-a", async (page) => {
    mock.faults.trace = "none";
    await page.reload();
    await page.getByText("Nothing recorded").first().waitFor();
  }],
  traces: ["/traces", (page) => page.locator("[data-trace]").first().waitFor()],
  filtered: ["/traces?state=ERROR&session=conv-1", (page) => page.locator("[data-trace]").first().waitFor()],
  agents: ["/", (page) => page.getByRole("button", { name: /^Agent:/ }).click()],
  share: ["/c/conv-1", async (page) => {
    await page.getByRole("button", { name: "Options for this conversation" }).click();
    await page.getByRole("menuitem", { name: "Share" }).click();
    await page.getByRole("button", { name: "Create link" }).click();
    await page.getByRole("textbox", { name: "Link to the conversation" }).waitFor();
  }],
  links: ["/", async (page, size) => {
    for (const id of ["conv-1", "conv-4", "conv-5"]) await shareOf(id);
    if (size === "phone") await page.getByRole("button", { name: "Open sidebar" }).click();
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByRole("menuitem", { name: "Shared links" }).click();
    await page.getByRole("button", { name: /^Revoke/ }).first().waitFor();
  }],
  shared: ["/", async (page) => {
    await page.goto(mock.url + (await shareOf("conv-1")));
    await page.locator(".code-keyword").first().waitFor();
  }],
  gone: ["/", async (page) => {
    await page.goto(`${mock.url}/share/shr-none`);
    await page.getByText("There is nothing at this link").waitFor();
  }],
  conversation: ["/c/conv-2", async (page) => {
    await page.getByRole("button", { name: "Options for this conversation" }).click();
    await page.getByRole("menuitem", { name: "Rate this conversation" }).click();
    await page.getByText("How was this conversation").waitFor();
  }],
  options: ["/c/conv-2", (page) => page.getByRole("button", { name: "Options for this conversation" }).click()],
  help: ["/", (page) => page.keyboard.press("Control+/")],
  menu: ["/", async (page, size) => {
    if (size === "phone") await page.getByRole("button", { name: "Open sidebar" }).click();
    await page.getByRole("button", { name: "Settings" }).click();
  }],
  delete: ["/c/conv-1", async (page, size) => {
    if (size === "phone") await page.getByRole("button", { name: "Open sidebar" }).click();
    await page.getByRole("button", { name: "Options for First try" }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Undo" }).waitFor();
  }],
};

for (const [size, viewport] of Object.entries(sizes)) {
  for (const colorScheme of ["light", "dark"]) {
    for (const [name, [path, act]] of Object.entries(states)) {
      if (wanted.length > 0 && !wanted.includes(name)) continue;
      // A new server each time, so that no picture depends on another.
      mock = await startMock({ pace: 10 });
      const context = await browser.newContext({ viewport, colorScheme, hasTouch: size === "phone", isMobile: size === "phone", bypassCSP: true, reducedMotion: "reduce" });
      const page = await context.newPage();
      page.setDefaultTimeout(5000);
      const label = `${name}-${size}-${colorScheme}`;
      page.on("console", (message) => message.type() === "error" && !/status of 4|net::ERR/.test(message.text()) && console.log(`${label}: ${message.text()}`));
      try {
        await page.goto(mock.url + path);
        await (path.startsWith("/trace") ? page.getByRole("main") : page.getByRole("button", { name: /^Agent:/ })).waitFor();
        await act?.(page, size);
        await page.screenshot({ path: `${folder}/${label}.png` });
        await page.addScriptTag({ path: axe });
        const result = await page.evaluate(() => globalThis.axe.run());
        for (const violation of result.violations) {
          violations += 1;
          console.log(`${label}: axe ${violation.id}: ${violation.help}\n    ${violation.nodes.map((node) => node.html.slice(0, 160)).join("\n    ")}`);
        }
      } catch (error) {
        console.log(`${label}: ${error.message}`);
        await page.screenshot({ path: `${folder}/${label}-broken.png` });
        violations += 1;
      }
      await context.close();
      await mock.close();
    }
  }
}
await browser.close();
console.log(`${violations} violations`);
process.exitCode = violations > 0 ? 1 : 0;
