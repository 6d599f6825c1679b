/**
 * Finds maths in Markdown and puts it between `$$`, the one form the parser is
 * told to know. A single dollar is far more often money, a shell variable or a
 * template, so it counts only as pandoc has it (no space inside the dollars, no
 * digit behind them) and where it does not read as an amount. Code stays as it
 * is, and so does what is not closed yet.
 */
export function withMaths(block: string): string {
  if (!mayHaveMaths(block) || fenced.test(block)) return block;
  return block.replace(spans, (whole, _code, bracket?: string, paren?: string, dollar?: string) => {
    if (bracket !== undefined) return `$$\\displaystyle ${oneLine(bracket)}$$`;
    if (paren !== undefined) return `$$${oneLine(paren)}$$`;
    if (dollar !== undefined) return amount.test(dollar) ? whole : `$$${dollar}$$`;
    return alone.test(whole) ? whole.replace(alone, "$$$$\\displaystyle $1$$$$") : whole;
  });
}

function mayHaveMaths(text: string): boolean {
  return text.includes("$") || text.includes("\\(") || text.includes("\\[");
}

const fenced = /^\s*(?:```|~~~)/;

/** Code, which is left alone; `\[…\]`; `\(…\)`; `$$…$$`; `$…$`. */
const spans = /(`+)[^`](?:[\s\S]*?[^`])?\1(?!`)|\\\[([\s\S]+?)\\\]|\\\(([\s\S]+?)\\\)|\$\$[^\n$]+\$\$|(?<![\\$\w])\$(?![\s$])((?:\\.|[^\\$\n`])*?(?:\\.|[^\\$\s`]))\$(?![\w$])/g;

/** "5 and 6": a number and then words, without a sign of maths. */
const amount = /^[\d.,]+\s+(?![^\\^_=+<>*/-]*[\\^_=+<>*/-])/;

/** `$$…$$` on one line is for the parser inline maths; people mean it displayed. */
const alone = /^\$\$([^\n$]+)\$\$$/;

/** Line breaks mean nothing in maths, and an empty line would end the paragraph. */
function oneLine(tex: string): string {
  return tex.trim().replace(/\s*\n\s*/g, " ");
}
