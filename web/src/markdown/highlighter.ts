import { createCssVariablesTheme, createHighlighterCore, type LanguageInput } from "@shikijs/core";
import { createJavaScriptRegexEngine } from "@shikijs/engine-javascript";

// Loaded when the first code block of a language below is drawn; each language
// is a file of its own.
const grammars: Record<string, LanguageInput> = {
  bash: () => import("@shikijs/langs/bash"),
  go: () => import("@shikijs/langs/go"),
  javascript: () => import("@shikijs/langs/javascript"),
  json: () => import("@shikijs/langs/json"),
  python: () => import("@shikijs/langs/python"),
  sql: () => import("@shikijs/langs/sql"),
  typescript: () => import("@shikijs/langs/typescript"),
  yaml: () => import("@shikijs/langs/yaml"),
};

const prefix = "--code-";
const theme = createCssVariablesTheme({ name: "tokens", variablePrefix: prefix });
let core: ReturnType<typeof createHighlighterCore> | undefined;

/** A stretch of code and what it is, as a class of styles.css; plain text has none. */
export interface Token {
  text: string;
  look: string | undefined;
}

/** The tokens of each line. Classes and not colours: the Content Security Policy forbids inline style. */
export async function tokensOf(code: string, language: string): Promise<Token[][]> {
  const grammar = grammars[language];
  if (!grammar) return [];
  core ??= createHighlighterCore({ themes: [theme], langs: [], engine: createJavaScriptRegexEngine({ forgiving: true }) });
  const highlighter = await core;
  await highlighter.loadLanguage(grammar);
  return highlighter.codeToTokensBase(code, { lang: language, theme: "tokens" }).map((line) => line.map(({ content, color }) => ({ text: content, look: lookOf(color) })));
}

/** "var(--code-token-string)" is the class "code-string". */
function lookOf(color: string | undefined): string | undefined {
  const name = new RegExp(`^var\\(${prefix}token-([\\w-]+)`).exec(color ?? "")?.[1];
  return name && `code-${name}`;
}
