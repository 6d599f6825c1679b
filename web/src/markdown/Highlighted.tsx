import { useEffect, useState } from "react";
import type { Token } from "./highlighter";

const names: Record<string, string> = {
  bash: "bash", console: "bash", go: "go", golang: "go", javascript: "javascript", js: "javascript", json: "json", jsonc: "json", jsx: "javascript",
  py: "python", python: "python", sh: "bash", shell: "bash", sql: "sql", ts: "typescript", tsx: "typescript", typescript: "typescript", yaml: "yaml", yml: "yaml", zsh: "bash",
};

/** Code that grows is left plain until it has not changed for this long. */
const settling = 200;
/** Longer code is a file and not an example; it is left plain. */
const longest = 20_000;

/** Code in colours, once its language is loaded; the same text in the same place before that. */
export function Highlighted({ text, language }: { text: string; language: string | undefined }) {
  const name = names[language?.toLowerCase() ?? ""];
  const [drawn, setDrawn] = useState<{ text: string; lines: Token[][] }>();
  useEffect(() => {
    if (!name || text.length > longest) return;
    let current = true;
    const timer = setTimeout(async () => {
      try {
        const { tokensOf } = await import("./highlighter");
        const lines = await tokensOf(text, name);
        if (current) setDrawn({ text, lines });
      } catch {
        // Colours are a courtesy; the code is there without them.
      }
    }, settling);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [text, name]);
  if (drawn?.text !== text || drawn.lines.length === 0) return text;
  // Lines and tokens have no identity but their place, and are drawn all at once.
  /* oxlint-disable react/no-array-index-key */
  return drawn.lines.map((line, at) => (
    <span key={at}>
      {at > 0 && "\n"}
      {line.map((token, place) =>
        token.look ? (
          <span key={place} className={token.look}>
            {token.text}
          </span>
        ) : (
          token.text
        ),
      )}
    </span>
  ));
  /* oxlint-enable react/no-array-index-key */
}
