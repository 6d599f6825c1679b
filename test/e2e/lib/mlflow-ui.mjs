// MLflow's own web UI, as its user would look for a rating.
import { MLFLOW } from './mlflow.mjs';
import { eventually } from './process.mjs';

/** Opens the trace's drawer, its "Assess" pane and the first rating there; returns the text of the pane's page. */
export async function openRating(page, { experiment, trace, value }) {
  const id = encodeURIComponent(trace);
  await page.goto(`${MLFLOW}/#/experiments/${experiment}/traces?selectedEvaluationId=${id}&traceId=${id}&compareRunsMode=TRACES`);
  // Not by role: a teaser for another feature hides the rest of the page from assistive technology while it is open.
  await page.locator('button', { hasText: 'Assess' }).first().click({ timeout: 60_000 });
  await page.getByText('Feedback (1)').waitFor();
  await page.getByText(value, { exact: true }).last().locator('xpath=preceding::button[1]').click();
  await page.getByText('Rationale').last().waitFor();
  return page.locator('body').innerText();
}

/** The text of the only row in the experiment's list of traces. */
export async function readList(page, { experiment }) {
  await page.goto(`${MLFLOW}/#/experiments/${experiment}/traces`);
  await page.getByText('1 of 1').waitFor({ timeout: 60_000 });
  await page.getByText('Got it').click(); // two teasers for other features cover the page
  await page.locator('[data-component-id="mlflow.assistant.chat_panel.close"]').click();
  const text = await page.locator('body').innerText();
  return text.slice(text.indexOf('Tags\n') + 5, text.indexOf('\n1 of 1'));
}

/**
 * Opens the trace's drawer, and in it each tab of each span; returns what was on them.
 * `spans` says by the span's name the `head` of its pane, and by the tab's name a text that is there; `look` is called there.
 */
export async function readDrawer(page, { experiment, trace }, spans, look) {
  const id = encodeURIComponent(trace);
  await page.goto(`${MLFLOW}/#/experiments/${experiment}/traces?selectedEvaluationId=${id}&traceId=${id}&compareRunsMode=TRACES`);
  const drawer = page.locator('[data-component-type="drawer_content"]'); // not by role: see openRating
  const tabs = drawer.locator('[role="tab"]');
  await tabs.first().waitFor({ timeout: 60_000 });
  const panes = [];
  for (const [span, { head, tabs: wanted }] of Object.entries(spans)) {
    await drawer.getByText(span, { exact: true }).first().click();
    const shows = (...all) => eventually(`${span}: ${all}`, async () => {
      const text = await drawer.innerText();
      return all.every((part) => text.includes(part)) && text;
    });
    await shows(`\n${head}\nAssess\n`);
    const names = (await tabs.allInnerTexts()).map((name) => name.split('\n')[0]);
    for (const tab of names) {
      await tabs.filter({ hasText: tab }).click();
      await drawer.locator('[role="tab"][data-state="active"]').filter({ hasText: tab }).waitFor();
      const text = await shows(`\n${head}\nAssess\n`, wanted[tab]);
      await look(span, tab);
      panes.push({ span, tab, text });
    }
  }
  return panes;
}
