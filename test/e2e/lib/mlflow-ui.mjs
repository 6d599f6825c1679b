// MLflow's own web UI, as its user would look for a rating.
import { MLFLOW } from './mlflow.mjs';

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
