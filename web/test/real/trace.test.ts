import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, settled, until, useBrowser, withPageOf } from "../page";
import { Server } from "../server";

useBrowser();

describe("the trace of an answer, on the real server", () => {
  let server: Server;
  beforeAll(async () => {
    server = await Server.start();
  });
  afterAll(() => server?.end());

  it("shows what the agent did, and spans that come later, with their errors", () =>
    withPageOf(server.url, {}, async ({ page }) => {
      await ask(page, "What is the weather in Paris?");
      const answer = await settled(page);
      await answer.getByRole("button", { name: "Good response" }).click();
      await page.getByText("On the trace").waitFor();
      await answer.getByRole("link", { name: "Open trace" }).click();
      const inputs = page.getByRole("region", { name: "Span details" }).getByRole("region", { name: "Inputs" });
      await inputs.getByText("What is the weather in Paris?").waitFor();
      await page.getByRole("region", { name: "Ratings", exact: true }).getByText("Yes").waitFor();
      await page.getByRole("treeitem", { name: /get_weather/ }).click();
      await inputs.getByText('"Paris"').waitFor();
      expect(await page.getByRole("link", { name: "Open in MLflow" }).count()).toBe(0);

      const trace = (await (await fetch(`${server.url}/api/v1/messages/${page.url().split(/[/?]/).at(-2)}/trace`)).json()) as { trace_id: string; spans: { span_id: string; start_time: string }[] };
      await addSpan(server.url, trace.trace_id.replace("tr-", ""), trace.spans[0]?.span_id ?? "", Date.parse(trace.spans[0]?.start_time ?? ""));
      await page.reload();
      await page.getByRole("button", { name: "1 error" }).click();
      const details = page.getByRole("region", { name: "Span details" });
      await details.getByText("ValueError: no such order").first().waitFor();
      await details.getByText("Stack trace").click();
      await details.getByText('File "orders.py", line 7').waitFor();
      await page.getByRole("link", { name: "Open conversation" }).click();
      await until(() => new URL(page.url()).pathname.slice(0, 3), "/c/");
    }));
});

const mlflow = process.env.THUMBPRINT_TEST_MLFLOW ?? "";

describe("with a real MLflow server (THUMBPRINT_TEST_MLFLOW)", () => {
  it.skipIf(!mlflow)("the trace, and its row in the list, lead to the same trace on MLflow's own page", async () => {
    const server = await Server.start(`mlflow: {tracking_uri: "${mlflow}"}\nagents: [{id: demo, name: Demo agent, protocol: demo, mlflow_experiment: page-${Date.now()}}]\n`);
    try {
      await withPageOf(server.url, {}, async ({ page, complaints }) => {
        await ask(page, "What is the weather in Paris?");
        await (await settled(page)).getByRole("link", { name: "Open trace" }).click();
        const link = page.getByRole("link", { name: "Open in MLflow" });
        const address = (await link.getAttribute("href", { timeout: 20_000 })) ?? "";
        await page.goto(`${server.url}/traces?session=${(await conversationOf(server.url)) ?? ""}`);
        expect(await link.getAttribute("href")).toBe(address);
        await page.goto(address);
        await page.getByText("get_weather").first().waitFor({ timeout: 30_000 });
        await page.getByRole("button", { name: "Close" }).first().waitFor(); // the trace itself, over the list
        complaints.length = 0; // MLflow's page has its own
      });
    } finally {
      await server.end();
    }
  });
});

async function conversationOf(url: string): Promise<string | undefined> {
  const { items } = (await (await fetch(`${url}/api/v1/conversations`)).json()) as { items: { id: string }[] };
  return items[0]?.id;
}

/** Sends a failed span as OpenTelemetry's exporters do. */
async function addSpan(store: string, traceId: string, parentSpanId: string, start: number): Promise<void> {
  const nanos = (ms: number) => `${start + ms}000000`;
  const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  const span = {
    traceId,
    spanId: "00f067aa0ba902b7",
    parentSpanId,
    name: "look_up_order",
    startTimeUnixNano: nanos(1),
    endTimeUnixNano: nanos(4),
    status: { code: 2, message: "no such order" },
    events: [{ name: "exception", timeUnixNano: nanos(3), attributes: [text("exception.type", "ValueError"), text("exception.message", "no such order"), text("exception.stacktrace", 'File "orders.py", line 7')] }],
  };
  const trace = (await (await fetch(`${store}/api/3.0/mlflow/traces/tr-${traceId}`)).json()) as { trace: { trace_info: { trace_location: { mlflow_experiment: { experiment_id: string } } } } };
  const id = trace.trace.trace_info.trace_location.mlflow_experiment.experiment_id;
  const sent = await fetch(`${store}/v1/traces`, { method: "POST", headers: { "Content-Type": "application/json", "X-Mlflow-Experiment-Id": id }, body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }) });
  expect(sent.status).toBe(200);
}
