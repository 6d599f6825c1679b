import { describe, expect, it } from "vitest";
import { lineOf, readable } from "./readable";

const message = (role: string, text: string, ...calls: { name: string; input: unknown }[]) => ({ role, text, calls });
const call = { name: "get_weather", input: { city: "Paris" } };

describe("readable", () => {
  it.each([
    ["chat completions", { model: "m", messages: [{ role: "user", content: "Hi" }] }, [message("user", "Hi")], { model: "m" }],
    ["an answer of chat completions", { id: "1", choices: [{ index: 0, message: { role: "assistant", content: "Yes" } }] }, [message("assistant", "Yes")], { id: "1" }],
    [
      "tool calls of chat completions",
      [{ role: "assistant", content: null, tool_calls: [{ function: { name: "get_weather", arguments: '{"city":"Paris"}' } }] }, { role: "tool", content: "18" }],
      [message("assistant", "", call), message("tool", "18")],
      {},
    ],
    [
      "responses",
      { output: [{ type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }] }, { type: "function_call", name: "get_weather", arguments: '{"city":"Paris"}' }, { type: "function_call_output", output: "18" }, { type: "message", role: "assistant", content: [{ type: "output_text", text: "It is 18." }] }] },
      [message("reasoning", "Hm"), message("assistant", "", call), message("tool", "18"), message("assistant", "It is 18.")],
      {},
    ],
    ["a reasoning that vLLM and LM Studio show", [{ type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "Hm" }] }], [message("reasoning", "Hm")], {}],
    ["a request of responses in a string", '{"request": {"input": [{"role": "user", "content": "Hi"}], "stream": true}}', [message("user", "Hi")], { stream: true }],
    ["a question as the input", { input: "Hi", model: "m" }, [message("user", "Hi")], { model: "m" }],
    ["LangChain's messages", { messages: [[{ type: "human", content: "Hi" }, { type: "ai", content: "Yes", tool_calls: [{ name: "get_weather", args: { city: "Paris" } }] }]] }, [message("user", "Hi"), message("assistant", "Yes", call)], {}],
    ["LangChain's generations", { generations: [[{ text: "Yes", message: { type: "ai", content: "Yes" } }]] }, [message("assistant", "Yes")], {}],
    ["Anthropic's blocks", { role: "assistant", content: [{ type: "text", text: "Look:" }, { type: "tool_use", name: "get_weather", input: { city: "Paris" } }, { type: "image" }] }, [message("assistant", "Look:\n\n[image]", call)], {}],
  ])("takes %s as messages", (_, value, messages, rest) => {
    expect(readable(value)).toEqual({ kind: "messages", messages, rest });
  });

  it("takes documents with what they say about themselves, and links only to the web", () => {
    const found = readable([
      { page_content: "One", metadata: { doc_uri: "https://example.com/1", title: "First", score: 0.9 } },
      { page_content: "Two", id: "2", metadata: { doc_uri: "javascript:alert(1)" } },
    ]);
    expect(found).toMatchObject({
      kind: "documents",
      documents: [
        { text: "One", title: "First", url: "https://example.com/1", score: 0.9 },
        { text: "Two", title: "javascript:alert(1)", url: undefined },
      ],
    });
  });

  it.each([
    [undefined, "nothing"],
    ["", "nothing"],
    ["Hello", "text"],
    ["[not JSON", "text"],
    [0, "json"],
    [false, "json"],
    [[], "json"],
    [{}, "json"],
    [{ messages: [] }, "json"],
    [{ messages: [{ role: "user", content: "Hi" }, { something: "else" }] }, "json"],
    [[{ page_content: "One" }, { other: 1 }], "json"],
    [{ role: "admin" }, "json"],
    [{ type: "constructor", content: "Hi" }, "json"],
    [{ type: "tool", name: "x" }, "json"],
    [{ message: { message: { message: null } } }, "json"],
  ])("%j is %s", (value, kind) => {
    expect(readable(value).kind).toBe(kind);
  });
});

describe("lineOf", () => {
  it.each([
    [undefined, ""],
    ["Hello", "Hello"],
    ['"Hello"', "Hello"],
    ["42", "42"],
    ["## Prices\n\n- **Red**: `3` *each*\n- [x] [Blue](https://x.test/a_b) ~~old~~\n\n> __said__", "Prices Red: 3 each Blue old said"],
    ["| Week | Rated |\n|:-----|------:|\n| 1 | **2** |", "Week Rated 1 2"],
    ["```go\nx := 2 * 3 * a_b_c\n```", "x := 2 * 3 * a_b_c"],
    ['{"messages":[{"role":"assistant","content":"1. **Yes**, of __course__"}]}', "1. Yes, of course"],
    ['{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Yes"}]}', "Yes"],
    ['{"output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Yes"}]},{"type":"function_call","name":"f"}]}', "Yes"],
    ['{"city":"Paris"}', '{"city":"Paris"}'],
    ['{"messages":[{"role":"user","content":"cut of', '{"messages":[{"role":"user","content":"cut of'],
  ])("of %j is %j", (preview, line) => {
    expect(lineOf(preview)).toBe(line);
  });
});
