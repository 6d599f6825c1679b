// Traces for the mock server, as GET /api/v1/messages/{id}/trace shows them.

/** State and spans of a trace. `kind`: plain (the default), failed, large, deep or none. */
export function traceOf(kind, question, message) {
  const start = Date.parse(message.timestamp);
  const at = (ms) => new Date(start + ms).toISOString();
  const span = (span_id, parent_id, name, type, offset_ms, duration_ms, more = {}) => ({ span_id, parent_id, name, type, start_time: at(offset_ms), offset_ms, duration_ms, status: "OK", attributes: {}, events: [], ...more });
  return (makers[kind] ?? plain)({ span, at, question, message });
}

const makers = { failed, large, deep, none: () => ({ state: "OK", spans: [] }) };

function plain({ span, question, message }) {
  const status = message.status === "failed" ? "ERROR" : "OK";
  const system = "Answer in one sentence. Name the sources you used.";
  return {
    state: status,
    spans: [
      span("a1", undefined, "demo", "AGENT", 0, 1840, { inputs: { input: [{ role: "user", content: question }], custom_inputs: { client_request_id: message.traceId } }, outputs: message.content, status, status_message: message.error?.message }),
      span("a2", "a1", "search_documents", "RETRIEVER", 120, 410, {
        inputs: { query: question },
        outputs: [
          { page_content: "Traces record **each run**, and feedback is attached to them.", id: "1", metadata: { doc_uri: "https://example.com/docs/tracing", title: "Tracing", score: 0.9312, chunk: 3 } },
          { page_content: "Ratings are kept on the answer's own trace. ".repeat(80), metadata: { doc_uri: "https://example.com/docs/ratings" } },
        ],
      }),
      span("a3", "a1", "get_weather", "TOOL", 560, 230, { inputs: { city: "Paris", unit: "celsius" }, outputs: { city: "Paris", temp: 18, sky: "clear", hours: Array.from({ length: 24 }, (_, hour) => ({ hour, temp: 12 + (hour % 8) })) }, attributes: { "tool.name": "get_weather" } }),
      span("a4", "a1", "write_answer", "LLM", 800, 1030, {
        inputs: {
          model: "rules-1",
          temperature: 0.2,
          messages: [
            { role: "system", content: system },
            { role: "user", content: question },
            { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "get_weather", arguments: '{"city":"Paris","unit":"celsius"}' } }] },
            { role: "tool", tool_call_id: "call_1", content: '{"city":"Paris","temp":18}' },
          ],
        },
        outputs: { choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: message.content } }] },
        attributes: { "mlflow.llm.model": "rules-1", "mlflow.llm.provider": "demo", "mlflow.chat.tokenUsage": { input_tokens: 412, output_tokens: 188, total_tokens: 600 }, "mlflow.llm.cost": { input_cost: 0.00062, output_cost: 0.00062, total_cost: 0.00124 } },
        events: [{ name: "first token", time: new Date(0).toISOString(), offset_ms: 940, attributes: { index: 0 } }],
      }),
      span("a5", "a4", "time to first token", "UNKNOWN", 800, 140),
    ],
  };
}

const stack = `Traceback (most recent call last):
  File "/app/agent.py", line 88, in answer
    return await tools.call(name, arguments)
  File "/app/tools.py", line 31, in call
    raise TimeoutError(f"{name} did not answer within {limit} s")
TimeoutError: search_orders did not answer within 5 s
`;

function failed({ span, at, question }) {
  const error = { status: "ERROR", status_message: "TimeoutError: search_orders did not answer within 5 s" };
  const exception = { name: "exception", time: at(5100), offset_ms: 5100, attributes: { "exception.type": "TimeoutError", "exception.message": "search_orders did not answer within 5 s", "exception.stacktrace": stack } };
  return {
    state: "ERROR",
    response_preview: "",
    spans: [
      span("f1", undefined, "support_agent", "AGENT", 0, 5120, { inputs: { input: question }, ...error }),
      span("f2", "f1", "plan", "CHAIN", 2, 96, { inputs: { question }, outputs: { steps: ["search_orders", "answer"] } }),
      span("f3", "f1", "act", "CHAIN", 99, 5018, error),
      span("f4", "f3", "search_orders", "TOOL", 100, 5001, { inputs: { customer: "c-1009", newest_first: true }, ...error, events: [exception] }),
    ],
  };
}

function large({ span }) {
  const spans = [span("r", undefined, "batch", "AGENT", 0, 10_000, { inputs: { documents: 333 }, outputs: "done" })];
  for (let n = 0; n < 333; n++) {
    const from = n * 30;
    spans.push(
      span(`d${n}`, "r", `read_document_${n}`, "CHAIN", from, 28),
      span(`d${n}a`, `d${n}`, "embed", "EMBEDDING", from + 1, 9, { outputs: Array.from({ length: 768 }, (_, at) => at / 768) }),
      span(`d${n}b`, `d${n}`, "summarise", "LLM", from + 11, 16, n % 100 === 99 ? { status: "ERROR", status_message: "rate limited" } : {}),
    );
  }
  return { state: "OK", spans };
}

function deep({ span }) {
  const levels = Array.from({ length: 40 }, (_, n) => span(`s${n}`, n === 0 ? undefined : `s${n - 1}`, `think_again_and_again_${n}`, n % 2 ? "TOOL" : "AGENT", n * 10, 1000 - n * 20));
  return { state: "OK", spans: levels };
}
