import { expect, test } from "vitest";
import { de } from "../../src/i18n/de";

/** All texts, those of functions with something put in. */
function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value === "function") return [true, false].flatMap((flag) => textsOf((value as (...given: unknown[]) => unknown)("x", flag, 2)));
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

test("German has one word for one thing, says du, and quotes as Germans do", () => {
  const texts = textsOf(de);
  expect(texts.length).toBeGreaterThan(200);
  const wrong = /Nutzer|Anwender|Feedback|Stimme|”|"|“(?=\p{L})|\b(?:Ihnen|Ihre?[mnrs]?)\b|\p{L} Sie\b/u;
  expect(texts.filter((text) => wrong.test(text))).toEqual([]);
});
