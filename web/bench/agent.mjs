// An agent that speaks Chat Completions at a pace, for the real server to pass on.
import { createServer } from "node:http";

/** Words in the long answer. */
export const length = 20_000;
/** Its words a second, several times what the fastest models say. */
export const pace = 1000;

const words = "the answer of an agent grows while it is read and nobody waits for its end because each part stands where it will stay".split(" ");
const sentence = (at, size) => Array.from({ length: size }, (_, n) => words[(at * 7 + n * 5) % words.length]).join(" ");

/** One section, of about 110 words: what models write. */
function section(at) {
  return `## Section ${at + 1}

It is **${sentence(at, 4)}**, and *${sentence(at + 1, 3)}*: ${sentence(at + 2, 30)}. See [the page](https://example.com/${at}) and \`value_${at}\`.

1. ${sentence(at + 3, 9)}
2. ${sentence(at + 4, 9)}

| part | what it is | share |
|---|---|---|
| first | ${sentence(at + 5, 4)} | ${at % 100} % |
| second | ${sentence(at + 6, 4)} | ${(at * 3) % 100} % |

\`\`\`python
def part_${at}(values: list[int]) -> int:
    # ${sentence(at + 7, 6)}
    return sum(value * ${at} for value in values if value > 0)
\`\`\`
`;
}

/** Markdown of at least so many words. */
export function markdown(size) {
  const sections = [];
  for (let count = 0; count < size; count += sections.at(-1).split(/\s+/).length) sections.push(section(sections.length));
  return sections.join("\n");
}

/** Starts it. A question with the word "long" gets the long answer at its pace, any other a short one at once. */
export async function startAgent() {
  const server = createServer(async (req, res) => {
    const { messages } = JSON.parse(await new Response(req).text());
    const question = String(messages.at(-1)?.content);
    res.writeHead(200, { "Content-Type": "text/event-stream" });
    const say = (content, finish_reason = null) => res.write(`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", choices: [{ index: 0, delta: { content }, finish_reason }] })}\n\n`);
    if (question.includes("long")) await speak(markdown(length), say, res);
    else say(markdown(110));
    say("", "stop");
    res.end("data: [DONE]\n\n");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/v1/chat/completions`, close: () => new Promise((resolve) => (server.close(resolve), server.closeAllConnections())) };
}

/** Word by word; what a late timer missed is said with the next. */
async function speak(text, say, res) {
  const pieces = text.split(/(?<=\s)(?=\S)/);
  const began = performance.now();
  for (let said = 0; said < pieces.length && !res.destroyed; ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    const due = Math.min(pieces.length, ((performance.now() - began) / 1000) * pace);
    for (; said < due; said++) say(pieces[said]);
  }
}
