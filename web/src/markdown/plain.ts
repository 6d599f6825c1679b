/** More than a line of a list shows; what is longer is not looked at. */
const most = 1000;

const marks: [RegExp, string][] = [
  [/^ {0,3}(?:```|~~~).*$/gm, ""], // fences; the code stays
  [/^[ \t|:*_-]+$/gm, ""], // rules, and the line under a table's head
  [/^[ \t]*(?:(?:#{1,6}|>|[-*+](?: \[[ xX]\])?)[ \t]+)+/gm, ""], // headings, quotes, lists, tasks
  [/!?\[([^[\]]*)\]\([^()\s]*(?:\s+"[^"]*")?\)/g, "$1"], // links and pictures
  [/`([^`]+)`/g, "$1"],
  [/(\*\*|~~)(?=\S)(.+?)(?<=\S)\1/gs, "$2"],
  [/(?<![\w*])\*(?=[^\s*])(.+?)(?<=[^\s*])\*(?![\w*])/gs, "$1"],
  [/(?<!\w)(__?)(?=[^\s_])(.+?)(?<=[^\s_])\1(?!\w)/gs, "$2"],
  [/\s+/g, " "],
];

const tableRow = /^[ \t]*\|(.*)\|[ \t]*$/gm;

/** Markdown as one line of words, for a list. What only looks like Markdown, as in 2 * 3 or snake_case, stays. */
export function plainLine(markdown: string): string {
  const text = markdown.slice(0, most).replace(tableRow, (_, cells: string) => cells.replaceAll("|", " "));
  return marks.reduce((rest, [mark, words]) => rest.replace(mark, words), text).trim();
}
