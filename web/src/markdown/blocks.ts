/**
 * Splits Markdown into top-level blocks, so that while an answer grows only its
 * last block is parsed again. Fenced code stays whole; a list with blank lines
 * between its items and everything indented under a block stay with it; text
 * with link definitions is one block, because a definition reaches everywhere.
 */
export function splitBlocks(text: string): string[] {
  if (/^ {0,3}\[[^\]]+\]:/m.test(text)) return [text];
  const blocks: string[] = [];
  let block = "";
  let fence = "";
  let blank = false;
  for (const line of text.split("\n")) {
    if (fence === "" && blank && line.trim() !== "" && startsBlock(line, block)) {
      blocks.push(block);
      block = "";
    }
    block += block === "" ? line : `\n${line}`;
    fence = nextFence(fence, line);
    blank = fence === "" && line.trim() === "";
  }
  if (block.trim() !== "") blocks.push(block);
  return blocks;
}

const listItem = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/;

function startsBlock(line: string, block: string): boolean {
  if (block.trim() === "") return false;
  if (/^(?: {2}|\t)/.test(line)) return false;
  return !(listItem.test(line) && listItem.test(block.trimStart()));
}

function nextFence(fence: string, line: string): string {
  const marker = /^\s*(`{3,}|~{3,})(.*)$/.exec(line);
  if (!marker) return fence;
  const [, run = "", rest = ""] = marker;
  if (fence === "") return run.startsWith("`") && rest.includes("`") ? "" : run;
  const closes = run[0] === fence[0] && run.length >= fence.length && rest.trim() === "";
  return closes ? "" : fence;
}
