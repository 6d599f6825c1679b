import { describe, expect, it } from "vitest";
import { ask, settled, until, useBrowser, withPage } from "./page";

useBrowser();

const up = { name: "Good response" };
const down = { name: "Bad response" };
const at = { path: "/c/conv-2" };

describe("thumbs", () => {
  it("are saved at once and can say more", () =>
    withPage(at, async ({ page, mock }) => {
      await page.getByRole("button", down).click();
      expect(await page.getByRole("button", down).getAttribute("aria-pressed")).toBe("true");
      await until(() => mock.seen.rate.length, 1);
      const dialog = page.getByRole("dialog", { name: "What went wrong?" });
      await dialog.getByRole("button", { name: "Inaccurate" }).click();
      await dialog.getByRole("textbox", { name: "Comment" }).fill("Wrong shop");
      await page.keyboard.press("Control+Enter");
      await dialog.waitFor({ state: "detached" });
      expect(mock.seen.rate).toMatchObject([
        { trace_id: "req-0000000000000001", assessment_name: "user_feedback", assessment_value: false, reasons: [] },
        { trace_id: "req-0000000000000001", assessment_value: false, reasons: ["inaccurate"], rationale: "Wrong shop" },
      ]);
      await page.getByText("On the trace").waitFor();
      await page.reload();
      await until(() => page.getByRole("button", down).getAttribute("aria-pressed"), "true");
      await page.getByRole("button", { name: /Edit your comment/ }).click();
      expect(await page.getByRole("textbox", { name: "Comment" }).inputValue()).toBe("Wrong shop");
    }));

  it("pressed again are taken back, with reasons and comment; no other button moves", () =>
    withPage(at, async ({ page, mock }) => {
      const trace = page.getByRole("link", { name: "Open trace" });
      const before = await trace.boundingBox();
      await page.getByRole("button", up).click();
      await page.getByText("On the trace").waitFor();
      expect(await trace.boundingBox()).toEqual(before);
      await page.getByRole("button", up).click();
      await until(() => mock.seen.withdraw.length, 1);
      expect(await page.getByRole("button", up).getAttribute("aria-pressed")).toBe("false");
      expect(await page.getByRole("dialog").count()).toBe(0);
      await page.reload();
      await until(() => page.getByRole("button", up).getAttribute("aria-pressed"), "false");
    }));

  it.each([
    ["on a phone", { width: 390, height: 844 }, "en-US"],
    ["on a small phone, in German", { width: 320, height: 640 }, "de-DE"],
    ["on a desktop", { width: 1280, height: 800 }, "en-US"],
  ])("move nothing %s: neither a button nor what is below", (_name, viewport, locale) =>
    withPage({ ...at, viewport, locale, hasTouch: viewport.width < 500, isMobile: viewport.width < 500 }, async ({ page, mock }) => {
      const row = page.locator("article[data-status] a[aria-label], article[data-status] button[aria-label], article[data-status]");
      await row.nth(4).waitFor();
      const places = async () => (await row.evaluateAll((all) => all.map((one) => JSON.stringify(one.getBoundingClientRect())))).slice(0, 5);
      const before = await places();
      mock.faults.waiting = "failed";
      await page.locator("article button[aria-pressed]").last().click();
      await page.getByRole("textbox").last().fill("A comment that is much longer than there is room for it");
      await page.keyboard.press("Control+Enter");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      await page.locator('[data-delivery="failed"]').waitFor();
      expect(await places()).toEqual(before);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(viewport.width);
    }));

  it("end as the last press says, however fast they come and slow the server is", () =>
    withPage(at, async ({ page, mock }) => {
      mock.faults.rateDelay = 150;
      await page.getByRole("button", up).click();
      await page.getByRole("button", down).click();
      await page.getByRole("button", down).click();
      await page.getByRole("button", up).click();
      await page.getByText("On the trace").waitFor();
      await until(() => [...mock.state.feedback.values()].map(({ value, withdrawn }) => [value, withdrawn]), [[true, false]]);
      expect(await page.getByRole("button", up).getAttribute("aria-pressed")).toBe("true");
    }));

  it("go back when the trace is not found; the toast tells why, and no form asks to try again", () =>
    withPage(at, async ({ page, mock }) => {
      await page.getByRole("button", up).click();
      await page.getByText("On the trace").waitFor();
      mock.faults.rate = 404;
      await page.getByRole("button", down).click();
      const toast = page.getByRole("region", { name: "Notifications" }).getByRole("alert");
      await toast.getByText("Trace not found for feedback", { exact: true }).waitFor();
      await toast.getByText("No trace carries this id.", { exact: true }).waitFor();
      await until(() => page.getByRole("button", up).getAttribute("aria-pressed"), "true");
      await page.getByRole("dialog").waitFor({ state: "detached" });
    }));

  it("that are refused name the request, for whoever is asked for help", () =>
    withPage(at, async ({ page }) => {
      await page.route("**/api/log_assessment", (route) => route.fulfill({ status: 413, headers: { "X-Request-Id": "gw-4711" }, json: { status: 413, detail: "Too long." } }));
      await page.getByRole("button", up).click();
      await page.getByRole("region", { name: "Notifications" }).getByRole("alert").getByText("Request id: gw-4711").waitFor();
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await page.getByRole("button", { name: "Copy request id" }).click();
      await until(() => page.evaluate(() => navigator.clipboard.readText()), "gw-4711");
    }));

  it("that are refused say why for ten seconds, and for as long as that is being read", () =>
    withPage(at, async ({ page, mock }) => {
      await page.clock.install();
      await page.getByText("An answer about").waitFor();
      mock.faults.rate = 404;
      await page.getByRole("button", up).click();
      const toast = page.getByRole("region", { name: "Notifications" }).getByRole("alert");
      await toast.hover();
      await page.clock.runFor(30_000);
      expect(await toast.count()).toBe(1);
      await page.getByRole("button", { name: "Dismiss" }).focus();
      await page.mouse.move(5, 500);
      await page.clock.runFor(30_000);
      expect(await toast.count()).toBe(1);
      await page.getByRole("textbox", { name: "Message" }).focus();
      await page.clock.runFor(2000);
      await toast.waitFor({ state: "detached" });
    }));

  it("go back and tell why when they are refused; what was typed stays", () =>
    withPage(at, async ({ page, mock }) => {
      await page.getByRole("button", up).click();
      await page.getByText("On the trace").waitFor();
      mock.faults.rate = 413;
      await page.getByRole("button", down).click();
      await page.getByRole("region", { name: "Notifications" }).getByText("The store cannot take this now").waitFor();
      await until(() => page.getByRole("button", up).getAttribute("aria-pressed"), "true");
      const dialog = page.getByRole("dialog", { name: "What went wrong?" });
      await dialog.getByRole("textbox", { name: "Comment" }).fill("Not true");
      await dialog.getByRole("button", { name: "Try again" }).click();
      await dialog.getByRole("alert").waitFor();
      expect(await dialog.getByRole("textbox", { name: "Comment" }).inputValue()).toBe("Not true");
      mock.faults.rate = 0;
      await dialog.getByRole("button", { name: "Try again" }).click();
      await dialog.waitFor({ state: "detached" });
      expect(mock.seen.rate.at(-1)).toMatchObject({ assessment_value: false, rationale: "Not true" });
    }));

  it("are kept while the server cannot take them, over a reload, and sent with the same key", () =>
    withPage(at, async ({ page, mock }) => {
      mock.faults.rate = 503;
      await page.getByRole("button", up).click();
      await page.locator('[data-delivery="will_be_sent"]').getByText("Will be sent").waitFor();
      await page.reload();
      await page.locator('[data-delivery="will_be_sent"]').getByText("Will be sent").waitFor();
      expect(await page.getByRole("button", up).getAttribute("aria-pressed")).toBe("true");
      mock.faults.rate = 0;
      await page.getByText("On the trace").waitFor();
      expect(new Set(mock.seen.rate.map(({ key }) => key)).size).toBe(1);
    }));

  it("reach the server from a browser that keeps nothing", () =>
    withPage(at, async ({ page, mock }) => {
      await page.addInitScript(() => {
        Object.defineProperty(window, "localStorage", { get: () => { throw new DOMException("blocked", "SecurityError"); } });
        navigator.locks.request = () => Promise.reject(new DOMException("blocked", "SecurityError"));
      });
      await page.reload();
      await page.getByRole("button", up).click();
      await page.getByText("On the trace").waitFor();
      expect([...mock.state.feedback.values()].map(({ value }) => value)).toEqual([true]);
    }));

  it("say that a rating is saved before it is on the trace, and when it failed", () =>
    withPage(at, async ({ page, mock }) => {
      mock.faults.waiting = "waiting_for_trace";
      await page.getByRole("button", up).click();
      await page.locator('[data-delivery="waiting_for_trace"]').getByText("Saved").waitFor();
      const [entry] = mock.state.feedback.values();
      Object.assign(entry ?? {}, { delivery: "failed", delivery_reason: "The trace was deleted." });
      await page.getByText("Not delivered").waitFor();
      await page.getByRole("button", { name: "Try again" }).click();
      await page.getByText("On the trace").waitFor();
      expect(mock.seen.redeliver).toHaveLength(1);
    }));

  it("say what became of the newest press as soon as of a first one, however fast they came", () =>
    withPage(at, async ({ page, mock }) => {
      await page.getByText("An answer about").waitFor();
      await page.clock.install();
      await page.clock.pauseAt(await page.evaluate(() => Date.now() + 1000));
      mock.faults.waiting = "waiting_for_trace";
      const presses = [up, down, up, down];
      for (const [before, thumb] of presses.entries()) {
        await page.getByRole("button", thumb).click();
        await until(() => mock.seen.rate.length, before + 1);
        await page.locator('[data-delivery="waiting_for_trace"]').waitFor();
      }
      for (const entry of mock.state.feedback.values()) entry.delivery = "failed";
      await page.clock.runFor(1000);
      await page.locator('[data-delivery="failed"]').waitFor();
    }));

  it("belong to their answer: a sibling has none of its brother's", () =>
    withPage({}, async ({ page }) => {
      await ask(page, "Hello");
      const answer = await settled(page);
      await answer.getByRole("button", up).click();
      await page.keyboard.press("Escape");
      await answer.getByRole("button", { name: "Regenerate" }).click();
      await page.getByText("2/2").waitFor();
      await settled(page);
      expect(await answer.getByRole("button", up).getAttribute("aria-pressed")).toBe("false");
      await answer.getByRole("button", { name: "Previous version" }).click();
      await until(() => answer.getByRole("button", up).getAttribute("aria-pressed"), "true");
    }));

  it("work with the keyboard: the focus goes in, and back on Esc", () =>
    withPage(at, async ({ page }) => {
      await page.getByRole("button", down).focus();
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor();
      await until(() => page.evaluate(() => document.activeElement?.textContent), "Inaccurate");
      await page.keyboard.press("Escape");
      await until(() => page.evaluate(() => document.activeElement?.getAttribute("aria-label")), "Bad response");
      expect(await page.getByRole("button", down).getAttribute("aria-pressed")).toBe("true");
    }));

  it("keep what was typed when the form is left, and lead back to it; a mouse leaves the focus where it is", () =>
    withPage(at, async ({ page, mock }) => {
      const thumb = page.getByRole("button", down);
      await thumb.click();
      const dialog = page.getByRole("dialog", { name: "What went wrong?" });
      await dialog.waitFor();
      expect(await thumb.evaluate((button) => button === document.activeElement)).toBe(true);
      await dialog.getByRole("button", { name: "Incomplete" }).click();
      await dialog.getByRole("textbox", { name: "Comment" }).fill("Half an answer");
      await page.getByRole("article", { name: "Your message" }).click();
      await dialog.waitFor({ state: "detached" });
      expect(await thumb.getAttribute("aria-pressed")).toBe("true");
      await page.getByRole("button", { name: "Edit your comment: Draft: “Half an answer”" }).click();
      expect(await dialog.getByRole("button", { name: "Incomplete" }).getAttribute("aria-pressed")).toBe("true");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: /Draft/ }).press("Enter");
      await page.getByRole("textbox", { name: "Comment" }).focus();
      await page.keyboard.press("End");
      await page.keyboard.press("Enter");
      await page.keyboard.type("x".repeat(600));
      await dialog.getByText("615 of 1000 characters").waitFor();
      await page.keyboard.press("Meta+Enter");
      await dialog.waitFor({ state: "detached" });
      expect(mock.seen.rate.at(-1)).toMatchObject({ assessment_value: false, reasons: ["incomplete"], rationale: `Half an answer\n${"x".repeat(600)}` });
      expect(await page.getByRole("button", { name: /Draft/ }).count()).toBe(0);
    }));

  it("clear the reasons and the comment with the vote they belong to", () =>
    withPage(at, async ({ page, mock }) => {
      const say = async (thumb: { name: string }, reason: string) => {
        await page.getByRole("button", thumb).click();
        await page.getByRole("dialog").getByRole("button", { name: reason }).click();
        await page.getByRole("textbox", { name: "Comment" }).fill("Because");
        await page.getByRole("button", { name: "Send", exact: true }).click();
        await page.getByRole("button", { name: "Edit your comment: “Because”" }).waitFor();
      };
      const empty = async (dialog: string) => {
        const form = page.getByRole("dialog", { name: dialog });
        expect(await form.getByRole("textbox", { name: "Comment" }).inputValue()).toBe("");
        expect(await form.locator("[aria-pressed=true]").count()).toBe(0);
        expect(await page.getByRole("button", { name: /Edit your comment/ }).count()).toBe(0);
      };
      await say(down, "Incomplete");
      await page.getByRole("button", up).click();
      await empty("What was good?");
      await until(() => mock.seen.rate.at(-1)?.assessment_value, true);
      expect(mock.seen.rate.at(-1)).toMatchObject({ reasons: [], rationale: "" });
      await page.getByRole("button", up).click();
      await say(down, "Incomplete");
      await page.getByRole("button", down).click();
      await until(() => mock.seen.withdraw.length, 2);
      await page.getByRole("button", down).click();
      await empty("What went wrong?");
      await until(() => mock.seen.rate.at(-1), expect.objectContaining({ assessment_value: false, reasons: [], rationale: "" }));
    }));

  it("say in the form whether the vote is saved, or kept for later", () =>
    withPage(at, async ({ page }) => {
      await page.getByText("An answer about").waitFor();
      await page.context().setOffline(true);
      await page.getByRole("button", up).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByText("kept in this browser").waitFor();
      await page.context().setOffline(false);
      await dialog.getByText("Your rating is saved.").waitFor();
    }));

  it("are not there for an imported answer, which says why", () =>
    withPage({ path: "/c/conv-3" }, async ({ page }) => {
      const note = page.getByRole("note", { name: /Ratings are off for this answer/ });
      await note.waitFor();
      expect(await page.getByRole("group", { name: "Rate this answer" }).count()).toBe(0);
      expect(await page.getByRole("link", { name: "Open trace" }).count()).toBe(0);
      await note.focus();
      await page.getByRole("tooltip").waitFor();
    }));

  it("offer the deployer's own reasons", () =>
    withPage(at, async ({ page }) => {
      await page.getByRole("button", down).click();
      await page.getByRole("button", { name: "Missing price list" }).waitFor();
    }));
});

describe("rating in detail", () => {
  it("is behind the vote, asks each thing by its kind, and saves what is answered at once", () =>
    withPage(at, async ({ page, mock }) => {
      await page.getByRole("button", { name: /^Agent:/ }).click();
      await page.getByRole("menuitemradio", { name: "Asks for more" }).click();
      await ask(page, "Hello");
      const answer = page.locator('article[data-status="completed"]').last();
      await until(() => page.locator('article[data-status="completed"]').count(), 2);
      await answer.getByRole("button", up).click();
      const dialog = page.getByRole("dialog", { name: "What was good?" });
      await dialog.getByText("Rate in detail").click();
      await dialog.getByRole("radiogroup", { name: "Helpfulness" }).getByText("3").click();
      await page.keyboard.press("ArrowRight");
      await dialog.getByRole("radiogroup", { name: "Tone of voice" }).getByText("Cold").click();
      await dialog.getByRole("button", { name: "Blunt" }).click();
      await dialog.getByRole("button", { name: "It did not greet me" }).click();
      const reasons = () => [...mock.state.feedback.values()].find(({ name }) => name === "tone")?.reasons;
      await until(reasons, ["blunt", "no_greeting"]);
      // Another value has reasons of its own.
      await dialog.getByRole("radiogroup", { name: "Tone of voice" }).getByText("Neutral").click();
      await until(reasons, []);
      await dialog.getByRole("button", { name: "Blunt" }).waitFor({ state: "detached" });
      await dialog.getByRole("radiogroup", { name: "Solved my problem" }).getByText("No").click();
      await dialog.getByRole("button", { name: "Table" }).click();
      await dialog.getByRole("button", { name: "Code" }).click();
      await dialog.getByRole("textbox", { name: "What was missing" }).fill("A picture");
      await page.keyboard.press("Enter");
      const kept = () => Object.fromEntries([...mock.state.feedback.values()].filter(({ withdrawn }) => !withdrawn).map(({ name, value }) => [name, value]));
      await until(kept, { user_feedback: true, helpfulness: 4, tone: "neutral", solved_my_problem: false, used: ["table", "code"], what_was_missing: "A picture" });
      await page.reload();
      await page.locator('article[data-status="completed"]').nth(1).getByRole("button", { name: "Rate in detail" }).click();
      const details = page.getByRole("dialog", { name: "Rate in detail" });
      expect(await details.getByRole("radio", { name: "4" }).isChecked()).toBe(true);
      expect(await details.getByRole("textbox", { name: "What was missing" }).inputValue()).toBe("A picture");
      await details.getByRole("button", { name: "Clear Helpfulness" }).click();
      await until(() => kept().helpfulness, undefined);
      expect(await details.getByRole("radio", { name: "4" }).isChecked()).toBe(false);
      // What is being typed when the form is left is an answer too.
      await details.getByRole("textbox", { name: "What was missing" }).fill("A sound");
      await page.keyboard.press("Escape");
      await until(() => kept().what_was_missing, "A sound");
    }));
});

describe("a conversation that was asked for before a vote", () => {
  it("does not take the vote away when it comes after it", () =>
    withPage({ path: "/c/conv-2" }, async ({ page, mock }) => {
      await page.getByText("An answer about").waitFor();
      let release: () => void = () => undefined;
      const voted = new Promise<void>((resolve) => (release = resolve));
      const asked = new Promise<void>((resolve) => {
        void page.route("**/conversations/conv-2/messages", async (route) => {
          const response = await route.fetch();
          resolve();
          await voted;
          await route.fulfill({ response });
        });
      });
      await page.evaluate(() => dispatchEvent(new Event("online")));
      await asked;
      await page.getByRole("button", up).click();
      await page.locator('[data-delivery="delivered"]').waitFor();
      const late = page.waitForResponse("**/conversations/conv-2/messages");
      const again = page.waitForResponse("**/feedback?target=*");
      release();
      await late;
      await again;
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      expect(await page.getByRole("button", up).getAttribute("aria-pressed")).toBe("true");
      expect(await page.locator('[data-delivery="delivered"]').count()).toBe(1);
      expect([...mock.state.feedback.values()].map(({ value }) => value)).toEqual([true]);
    }));
});

describe("two tabs", () => {
  it("show one rating: that of the tab where it was given last", () =>
    withPage(at, async ({ page, mock }) => {
      const other = await page.context().newPage();
      await other.goto(page.url());
      await other.getByRole("button", down).click();
      await other.getByText("On the trace").waitFor();
      // Playwright's pages never hide each other, so the event is sent by hand.
      await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
      await until(() => page.getByRole("button", down).getAttribute("aria-pressed"), "true");
      await page.getByRole("button", up).click();
      await until(() => [...mock.state.feedback.values()].map(({ value }) => value), [true]);
      await other.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
      await until(() => other.getByRole("button", up).getAttribute("aria-pressed"), "true");
      expect(await other.getByRole("button", down).getAttribute("aria-pressed")).toBe("false");
    }));

  it("end as the last press says when the server was away, whichever tab it was in", () =>
    withPage(at, async ({ page, mock }) => {
      const other = await page.context().newPage();
      await other.goto(page.url());
      const unkept = () => page.evaluate(() => Object.entries(localStorage).flatMap(([key, value]) => (key.startsWith("thumbprint.unsent.") ? [String(value)] : [])));
      mock.faults.rate = 503;
      await page.getByRole("button", up).click();
      await page.locator('[data-delivery="will_be_sent"]').waitFor();
      await until(() => other.getByRole("button", up).getAttribute("aria-pressed"), "true");
      await other.getByRole("button", down).click();
      await until(() => page.getByRole("button", down).getAttribute("aria-pressed"), "true");
      const last = (await unkept()).map((text) => JSON.parse(text) as { key: string; vote: { value: boolean } });
      expect(last.map(({ vote }) => vote.value)).toEqual([false]);
      mock.faults.rate = 0;
      for (const tab of [page, other]) {
        await tab.getByText("On the trace").waitFor();
        expect(await tab.getByRole("button", down).getAttribute("aria-pressed")).toBe("true");
      }
      expect([...mock.state.feedback.values()].map(({ value }) => value)).toEqual([false]);
      expect(mock.seen.rate.at(-1)?.key).toBe(last[0]?.key);
      await until(async () => (await unkept()).length, 0);
    }));

  it("do not bring back an older press, also in a tab that did not hear of the newer one", () =>
    withPage(at, async ({ page, mock }) => {
      // A tab that the browser has put to sleep hears nothing.
      await page.addInitScript(() => addEventListener("storage", (event) => event.stopImmediatePropagation(), { capture: true }));
      await page.reload();
      const other = await page.context().newPage();
      await other.goto(page.url());
      mock.faults.rate = 503;
      await page.getByRole("button", up).click();
      await page.locator('[data-delivery="will_be_sent"]').waitFor();
      mock.faults.rate = 0;
      await other.getByRole("button", down).click();
      await other.getByText("On the trace").waitFor();
      await until(() => page.getByRole("button", down).getAttribute("aria-pressed"), "true");
      expect([...mock.state.feedback.values()].map(({ value }) => value)).toEqual([false]);
    }));
});

describe("what is said on hover", () => {
  const long = "MLflow hat die Bewertung abgelehnt: der Trace wurde vor der Zustellung gelöscht, oder der Experimentordner mlflow-artifacts:/1/traces/tr-0123456789abcdef0123456789abcdef/artifacts/mit-einem-sehr-langen-Namen-ohne-Lücke gehört jemand anderem. ".repeat(3);

  it.each([
    ["on a small screen", 320, "16px", true],
    ["with words twice as large", 320, "32px", true],
    ["on a desktop", 1280, "16px", true],
    ["in a browser without popovers", 320, "16px", false],
  ])("is whole and in sight %s, in German too, beyond a short message", (name, width, fontSize, popovers) =>
    withPage({ path: "/c/conv-2", locale: "de-DE", viewport: { width, height: 640 }, reducedMotion: "reduce" }, async ({ page, mock }) => {
      mock.faults.waiting = "failed";
      await page.getByRole("button", { name: "Schlechte Antwort" }).press("Enter");
      await page.locator('[data-delivery="failed"]').waitFor();
      for (const entry of mock.state.feedback.values()) entry.delivery_reason = long;
      if (!popovers) await page.addInitScript(() => ["popover", "showPopover", "hidePopover", "togglePopover"].forEach((own) => Reflect.deleteProperty(HTMLElement.prototype, own)));
      await page.reload();
      await page.evaluate((size) => (document.documentElement.style.fontSize = size), fontSize);
      await page.getByRole("button", { name: "Schlechte Antwort" }).focus();
      const words = page.getByRole("note", { name: /Nicht zugestellt/ });
      for (let press = 0; press < 8 && !(await words.evaluate((element) => element === document.activeElement)); press++) await page.keyboard.press("Tab");
      const tip = page.locator("[data-side]").filter({ hasText: "MLflow hat" });
      await tip.waitFor();
      if (process.env.LOOK) await page.screenshot({ path: `${process.env.LOOK}/tip-${name.replaceAll(" ", "-")}.png` });
      expect(await page.locator("[data-delivery]").evaluate((line) => [...line.querySelectorAll("button")].every((button) => button.getBoundingClientRect().right <= innerWidth))).toBe(true);
      const hidden = await tip.evaluate((element) => {
        const { left, top, right, bottom } = element.getBoundingClientRect();
        const corners = [left + 4, right - 4].flatMap((x) => [top + 4, (top + bottom) / 2, bottom - 4].map((y) => [x, y] as const));
        return corners.filter(([x, y]) => !element.contains(document.elementFromPoint(x, y))).map(([x, y]) => `${x.toFixed()},${y.toFixed()} of ${innerWidth}x${innerHeight}`);
      });
      expect(hidden).toEqual([]);
      expect(await tip.evaluate((element) => element.scrollWidth <= element.clientWidth)).toBe(true);
    }));
});
