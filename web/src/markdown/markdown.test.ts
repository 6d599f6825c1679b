import { describe, expect, it } from "vitest";
import { splitBlocks } from "./blocks";
import { withMaths } from "./maths";
import { sourcesOf, withMarks } from "./citations";

describe("splitBlocks", () => {
  it.each([
    ["paragraphs", "one\n\ntwo", ["one\n", "two"]],
    ["a fence with blank lines", "```js\na\n\nb\n```\n\nafter", ["```js\na\n\nb\n```\n", "after"]],
    ["an open fence", "text\n\n```\na\n\nb", ["text\n", "```\na\n\nb"]],
    ["a shorter fence inside a longer one", "````\n```\n\n````\n\nx", ["````\n```\n\n````\n", "x"]],
    ["a loose list", "1. a\n\n2. b\n\n   more\n\nend", ["1. a\n\n2. b\n\n   more\n", "end"]],
    ["link definitions", "[a][x]\n\n[x]: https://example.com", ["[a][x]\n\n[x]: https://example.com"]],
    ["nothing", "\n\n", []],
  ])("splits %s", (_name, text, blocks) => {
    expect(splitBlocks(text)).toEqual(blocks);
  });

  it("loses nothing and never changes an earlier block while a text grows", () => {
    const text = "# A\n\npara\n\n- a\n- b\n\n```\nx\n\ny\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nend";
    let before: string[] = [];
    for (let end = 1; end <= text.length; end++) {
      const blocks = splitBlocks(text.slice(0, end));
      expect(blocks.join("\n").trim()).toBe(text.slice(0, end).trim());
      expect(blocks.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
      before = blocks;
    }
  });
});

describe("maths", () => {
  it.each([
    ["a dollar on each side", "so $x^2$ grows", "so $$x^2$$ grows"],
    ["one letter", "let $n$ be", "let $$n$$ be"],
    ["an escaped dollar inside", "$a + \\$5$", "$$a + \\$5$$"],
    ["parentheses", "so \\(a\nb\\).", "so $$a b$$."],
    ["brackets", "\\[\n\\frac{a}{b}\n\\]", "$$\\displaystyle \\frac{a}{b}$$"],
    ["two dollars on a line", "$$x = 1$$", "$$\\displaystyle x = 1$$"],
    ["a number that is calculated with", "$2 + 2 = 4$", "$$2 + 2 = 4$$"],
  ])("is %s", (_name, text, expected) => {
    expect(withMaths(text)).toBe(expected);
  });

  it.each([
    ["prices", "It costs $5 and $6."],
    ["a range of prices", "$5-$6, $20/$30, (or $7)"],
    ["a price before and a unit behind", "from $5 and up to 10$."],
    ["variables of a shell", "$HOME/$USER and $PATH"],
    ["other dollars", "US$5 and US$10"],
    ["escaped dollars", "\\$x\\$"],
    ["inline code", "`$x$` and ``\\(y\\)``"],
    ["a fence", "```sh\necho $x$ \\(y\\)\n```"],
    ["what is not closed", "\\[ x + and $y"],
    ["a block between dollars, which the parser knows", "$$\nx\n$$"],
  ])("is not %s", (_name, text) => {
    expect(withMaths(text)).toBe(text);
  });
});

describe("citations", () => {
  const cite = (url: string, end: number, title = "T") => ({ type: "url_citation", url, title, end_index: end });

  it("number each source once", () => {
    const sources = sourcesOf([cite("https://a.example", 3), cite("https://b.example", 5), cite("https://a.example", 9)]);
    expect(sources.map(({ number, url }) => [number, url])).toEqual([
      [1, "https://a.example"],
      [2, "https://b.example"],
    ]);
  });

  it("never link to anything but http", () => {
    expect(sourcesOf([cite("javascript:alert(1)", 1)])[0]?.url).toBeUndefined();
  });

  it.each([
    ["behind the passage", "One. Two.", [cite("https://a.example", 3)], "One[1](#source-x-1). Two."],
    ["once for the same place", "One.", [cite("https://a.example", 4), cite("https://a.example", 4)], "One.[1](#source-x-1)"],
    ["in order of place", "One. Two.", [cite("https://b.example", 9), cite("https://a.example", 4)], "One.[2](#source-x-2) Two.[1](#source-x-1)"],
    ["not inside a word", "Onetwo", [cite("https://a.example", 3)], "Onetwo"],
    ["not inside code", "`a b` c", [cite("https://a.example", 2)], "`a b` c"],
    ["not inside a fence", "```\na b\n```", [cite("https://a.example", 5)], "```\na b\n```"],
    ["not inside a link", "[a b](c)", [cite("https://a.example", 2)], "[a b](c)"],
    ["not beyond the end", "One", [cite("https://a.example", 99)], "One"],
  ])("are marked %s", (_name, text, citations, expected) => {
    expect(withMarks(text, citations, "x")).toBe(expected);
  });
});
