import type { CDPSession, Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { ask, useBrowser, withPage } from "./page";

useBrowser();

const controls = "button, a[href], summary, textarea, input, select, [role=menuitem], [role=menuitemradio]";

/** Puts every control into these states at once, as if the mouse or the keyboard were at each. */
async function force(session: CDPSession, states: string[]): Promise<void> {
  const { root } = (await session.send("DOM.getDocument")) as { root: { nodeId: number } };
  const { nodeIds } = (await session.send("DOM.querySelectorAll", { nodeId: root.nodeId, selector: controls })) as { nodeIds: number[] };
  await Promise.all(nodeIds.map((nodeId) => session.send("CSS.forcePseudoState", { nodeId, forcedPseudoClasses: states })));
}

/**
 * The controls in sight that cannot be seen well enough: words below 4.5 to 1, pictures, the edges of
 * fields and chips, and the ring of the focus below 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11). What is disabled is exempt.
 */
const faint = (page: Page, state: string) =>
  page.evaluate(
    ({ selector, ringed }) => {
      const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
      /** What is seen where these colours, of CSS, lie on each other; the last lies at the bottom. */
      const seen = (colours: string[]) => {
        pen.clearRect(0, 0, 1, 1);
        for (const colour of colours.toReversed()) {
          pen.fillStyle = colour;
          pen.fillRect(0, 0, 1, 1);
        }
        return pen.getImageData(0, 0, 1, 1).data;
      };
      const light = (rgb: Uint8ClampedArray) => {
        const [r = 0, g = 0, b = 0] = [...rgb].map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ratio = (a: Uint8ClampedArray, b: Uint8ClampedArray) => {
        const [dark, bright] = [light(a), light(b)].toSorted((x, y) => x - y) as [number, number];
        return (bright + 0.05) / (dark + 0.05);
      };
      const under = (element: Element | null): string[] => {
        const colours: string[] = [];
        for (let at = element; at; at = at.parentElement) colours.push(getComputedStyle(at).backgroundColor);
        return colours;
      };
      const found = new Set<string>();
      for (const element of document.querySelectorAll<HTMLElement>(selector)) {
        const style = getComputedStyle(element);
        if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || element.matches(":disabled, .sr-only")) continue;
        const name = element.getAttribute("aria-label") ?? element.textContent?.slice(0, 40) ?? element.tagName;
        const check = (what: string, colour: string, background: string[], least: number) => {
          const measured = ratio(seen([colour, ...background]), seen(background));
          if (measured < least) found.add(`${name}: ${what} ${measured.toFixed(2)} of ${least}`);
        };
        const written = element.matches("textarea, input") || element.textContent?.trim();
        if (element.matches('[type="checkbox"], [type="radio"]')) continue; // the browser's own
        check(written ? "words" : "picture", style.color, under(element), written ? 4.5 : 3);
        // A field without an edge of its own is in something that has one. The search above the conversations has none: it has words and a picture.
        const edged = element.matches("textarea, input, select, [role=dialog] [aria-pressed]") ? [element, element.parentElement].find((one) => one && Number.parseFloat(getComputedStyle(one).borderTopWidth) > 0) : undefined;
        if (edged) check("edge", getComputedStyle(edged).borderTopColor, under(edged.parentElement), 3);
        if (ringed && style.outlineStyle !== "none") check("ring", style.outlineColor, under(element.parentElement), 3);
      }
      return [...found];
    },
    { selector: controls, ringed: state === "focus-visible" },
  );

const places: Record<string, [path: string, act: (page: Page) => Promise<unknown>]> = {
  "a chat with the form of a vote": [
    "/c/conv-1",
    async (page) => {
      await page.locator(".code-keyword").first().waitFor();
      await page.getByRole("button", { name: "Bad response" }).click();
      await page.getByRole("button", { name: "Inaccurate" }).click();
    },
  ],
  "an approval": [
    "/",
    async (page) => {
      await ask(page, "Please approve this");
      await page.getByRole("button", { name: "Allow" }).waitFor();
    },
  ],
  "a failure": [
    "/",
    async (page) => {
      await ask(page, "fail early");
      await page.getByText("Details").click();
    },
  ],
  "a menu": ["/c/conv-2", (page) => page.getByRole("button", { name: "Options for this conversation" }).press("Enter")],
  "a trace": ["/trace/conv-4-a", (page) => page.getByRole("treeitem", { name: /get_weather/ }).click()],
  "the traces": ["/traces?state=ERROR", (page) => page.locator("[data-trace]").first().waitFor()],
};

describe("every control can be seen", () => {
  it.each(["light", "dark"] as const)("%s: at rest, under the mouse, pressed, and with the focus", (colorScheme) =>
    withPage({ colorScheme, reducedMotion: "reduce" }, async ({ page, mock }) => {
      const session = await page.context().newCDPSession(page);
      for (const domain of ["DOM", "CSS"] as const) await session.send(`${domain}.enable`);
      const found: Record<string, string[]> = {};
      for (const [place, [path, act]] of Object.entries(places)) {
        await page.goto(mock.url + path);
        await act(page);
        for (const state of ["rest", "hover", "active", "focus-visible"]) {
          const states = { rest: [], hover: ["hover"], active: ["hover", "active"], "focus-visible": ["focus", "focus-visible"] }[state] ?? [];
          await force(session, states);
          for (const fault of await faint(page, state)) (found[`${place}, ${state}`] ??= []).push(fault);
        }
        await force(session, []);
      }
      expect(found).toEqual({});
    }), 60_000);
});
