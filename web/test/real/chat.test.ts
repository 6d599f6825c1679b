import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answers, ask, settled, useBrowser, withPageOf } from "../page";
import { Server } from "../server";

useBrowser();

describe("the demo agent on the real server", () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start();
  });
  afterAll(() => server?.end());

  it("asks for permission, and is told what was decided", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      await ask(page, "Delete the old table");
      const answer = await settled(page);
      await answer.getByRole("button", { name: "Allow" }).click();
      await page.getByText("You approved it").waitFor();
      await page.reload();
      await page.getByText("You approved it").waitFor();
      expect(await answers(page).count()).toBe(2);
      expect(await page.getByRole("button", { name: "Allow" }).count()).toBe(0);
    }));
});
