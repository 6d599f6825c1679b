// What the mock server knows and says. The words of a question choose the answer.

export const agents = [
  {
    id: "demo",
    name: "Demo agent",
    description: "A rule-based stand-in: no model, no network, no key. It can show tools, sources, a slow answer and a failing one.",
    protocol: "demo",
    version: "1",
    suggested_prompts: ["Show me a tool call", "Answer with sources", "Give me a slow answer", "Show what a failure looks like"],
    feedback: {
      open: false,
      dimensions: [
        {
          name: "user_feedback",
          type: "boolean",
          reasons: {
            up: ["accurate", "clear", "thorough", "other"],
            down: ["inaccurate", "incomplete", "not_what_i_asked", "outdated", "too_long", "missing_price_list", "other"],
          },
        },
      ],
    },
  },
  {
    id: "detailed",
    name: "Asks for more",
    description: "Its deployer asks five further questions about each answer.",
    protocol: "demo",
    suggested_prompts: [],
    feedback: {
      open: false,
      dimensions: [
        { name: "user_feedback", type: "boolean" },
        { name: "helpfulness", type: "number", min: 1, max: 5 },
        { name: "solved_my_problem", type: "boolean" },
        {
          name: "tone",
          type: "category",
          categories: ["friendly", "neutral", "cold"],
          reasons: { neutral: ["no_greeting"], cold: ["no_greeting", "blunt"] },
          label: { en: "Tone of voice", de: "Tonfall" },
          labels: {
            friendly: { en: "Friendly", de: "Freundlich" },
            neutral: { en: "Neutral", de: "Sachlich" },
            cold: { en: "Cold", de: "Kühl" },
            no_greeting: { en: "It did not greet me", de: "Die Anrede fehlte" },
          },
        },
        { name: "used", type: "multi_category", categories: ["text", "table", "code"] },
        { name: "what_was_missing", type: "text" },
      ],
    },
  },
  { id: "support", name: "Support assistant", description: "Answers questions about orders and returns.", protocol: "responses", version: "2026-11-20", suggested_prompts: ["Where is my order?"] },
];

const words = (text) => text.match(/\S+\s*|\s+/g) ?? [];
const item = (value) => ({ type: "response.output_item.done", item: value });
const message = (text, annotations = []) => item({ type: "message", id: "msg_1", role: "assistant", status: "completed", content: [{ type: "output_text", text, annotations }] });
const said = (text, annotations) => [...words(text).map((delta) => ({ type: "response.output_text.delta", item_id: "msg_1", delta })), message(text, annotations)];
const call = (name, input, output) => [
  item({ type: "function_call", id: "fc_1", call_id: `call_${name}`, name, arguments: JSON.stringify(input) }),
  { ...item({ type: "function_call_output", call_id: `call_${name}`, output: JSON.stringify(output) }), wait: 150 },
];

const gallery = `Here is **what a month of ratings** looks like, with the share of helpful answers per week.

| Week | Answers | Rated | Helpful |
|:-----|--------:|------:|--------:|
| 40 | 1,204 | 187 | 91 % |
| 41 | 1,377 | 204 | 88 % |
| 42 | 1,290 | 231 | 79 % |

## What to do next

1. Open the traces of week 42 that people marked *inaccurate*.
2. Compare the agent's version before and after \`2026-10-12\`.
   - the retriever's index was rebuilt then
   - the prompt did not change
3. Add the worst ones to an evaluation set.

\`\`\`python
import mlflow

traces = mlflow.search_traces(
    filter_string="feedback.user_feedback = 'false'",
    max_results=100,
)
print(len(traces), "answers that somebody did not like")
\`\`\`

- [x] ratings land on their traces
- [ ] somebody has read them

> A rating without its trace is only a number.

More in the [documentation](https://example.com/docs), or see ![a chart](https://example.com/chart.png).`;

const maths = `The roots of $ax^2 + bx + c = 0$ with \\(a \\ne 0\\) are

\\[
x_{1,2} = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}
\\]

and a sum, in a block of its own:

$$
\\sum_{k=1}^{n} k = \\frac{n(n+1)}{2}, \\qquad \\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix} \\vec v = \\lambda \\vec v
$$

It costs $5 and $6, which is no maths; \`$HOME\` is none either, and this is wrong: $\\frac{1}$.

| Name | Formula |
|---|---|
| Euler | $e^{i\\pi} + 1 = 0$ |`;

const hostile = `<img src=x onerror="window.hacked = 1"> <script>window.hacked = 1</script>

[click](javascript:window.hacked=1) ![x](javascript:window.hacked=1) <iframe srcdoc="<script>parent.hacked=1</script>"></iframe>

$\\href{javascript:window.hacked=1}{x}$ $$\\class{x}{y} \\includegraphics{https://spy.example/m.png}$$ [data](data:text/html,<script>window.hacked=1</script>) and a remote picture ![spy](https://spy.example/pixel.gif)`;

const sourced = "Traces record each run and feedback is attached to them. Ratings are kept on the answer's own trace.";

/** The events of an answer, without the ones that are the server's own. */
export function script(question) {
  const asks = (pattern) => pattern.test(question);
  if (asks(/hostile/i)) return said(hostile);
  const cut = /limit|filter/i.exec(question)?.[0].toLowerCase();
  if (cut) {
    const text = "I will begin well, and then";
    return [
      ...words(text).map((delta) => ({ type: "response.output_text.delta", item_id: "msg_1", delta })),
      message(text),
      { type: "response.incomplete", response: { status: "incomplete", incomplete_details: { reason: cut === "limit" ? "max_output_tokens" : "content_filter" } } },
    ];
  }
  if (asks(/fail early/i)) return [{ type: "error", code: "agent_unreachable", message: "The agent cannot be reached. Try again in a moment." }];
  if (asks(/fail/i)) return [...words("I will begin well, and then ").map((delta) => ({ type: "response.output_text.delta", item_id: "msg_1", delta })), { type: "error", code: "upstream_truncated", message: "The agent stopped in the middle of its answer." }];
  if (asks(/source|cite/i)) {
    return said(sourced, [
      { type: "url_citation", title: "Tracing", url: "https://example.com/docs/tracing", start_index: 0, end_index: 55 },
      { type: "url_citation", title: "Feedback", url: "https://example.com/docs/feedback?a=1&b=2", start_index: 57, end_index: sourced.length - 1 },
    ]);
  }
  if (asks(/broken tool/i)) return [item({ type: "mcp_call", id: "mcp_1", name: "get_stock", arguments: '{"sku":"A-1"}', error: "The warehouse does not answer." }), ...said("I could not look it up.")];
  if (asks(/tool/i)) {
    return [
      item({ type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "The weather is asked for, so I look it up rather than guess." }] }),
      ...call("get_weather", { city: "Paris", unit: "celsius" }, { city: "Paris", temp: 18, sky: "clear" }),
      ...said("It is **18 °C** and clear in Paris."),
    ];
  }
  if (asks(/approve/i)) return [item({ type: "mcp_approval_request", id: "mcpr_1", name: "delete_table", server_label: "warehouse", arguments: '{"table": "main.demo.t1"}' })];
  if (asks(/^approved|^denied/)) return said(`You ${question} it.`);
  if (asks(/empty/i)) return [];
  if (asks(/slow/i)) return said(Array.from({ length: 40 }, (_, n) => `This is sentence ${n + 1} of a slow answer.`).join(" ")).map((event) => ({ ...event, wait: 60 }));
  if (asks(/long/i)) return said(Array.from({ length: 30 }, () => gallery).join("\n\n")).map((event, n) => ({ ...event, wait: n % 40 === 0 ? 1 : 0 }));
  if (asks(/maths/i)) return said(maths);
  if (asks(/report|gallery/i)) return said(gallery);
  return said(`You said: ${question || "nothing"}. I am a demo agent and answer by rules.`);
}

const day = 24 * 60 * 60 * 1000;

const ago = (days) => new Date(Date.now() - days * day).toISOString();

/** Conversations that are there from the start. */
export function history() {
  const titles = [
    ["Ratings in October", 0.001],
    ["How do I return an order?", 0.01],
    ["Imported from the old chat", 1],
    ["Weather in Paris and a very long title that does not fit into the list at all", 3],
    ["Übersetzung der Rückgabebedingungen", 5],
    ["سؤال عن الطلب", 20],
    ["First try", 90],
  ];
  return titles.map(([title, days], n) => {
    const id = `conv-${n + 1}`;
    const conversation = { id, title, agent_id: "demo", created_at: ago(days), updated_at: ago(days) };
    const question = { id: `${id}-q`, role: "user", content: n === 0 ? "Give me a report on last month's ratings" : title, status: "complete", timestamp: ago(days) };
    const answer = { id: `${id}-a`, parent_id: question.id, role: "assistant", agent_id: "demo", status: "completed", timestamp: ago(days - 0.0001), content: n === 0 ? gallery : `An answer about: ${title}`, items: [], traceId: `req-${String(n).padStart(16, "0")}`, rateable: true, traceSummary: { duration_ms: 1840, total_tokens: 600, tools_called: n === 0 ? ["search_documents", "get_weather"] : [] } };
    if (n === 2) Object.assign(answer, { traceId: "1b4d58cf-28d6-4b20-b601-6324bd114bab", rateable: false, not_rateable_reason: "This answer comes from before client_request_id; nothing in MLflow carries its id." });
    return { conversation, messages: [question, answer] };
  });
}
