import { describe, expect, it } from "vitest";
import { de } from "../i18n/de";
import { en } from "../i18n/en";
import { firstLanguage, nameOfDimension, nameOfKey } from "../i18n";
import { groupByAge } from "./groups";
import { pathOf, placeOf } from "./router";

describe("groupByAge", () => {
  it("goes by the reader's days, not by hours", () => {
    const now = new Date(2026, 10, 23, 0, 30);
    const at = (date: Date) => ({ id: date.toISOString(), title: "", created_at: "", updated_at: date.toISOString() });
    const groups = groupByAge(
      [new Date(2026, 10, 23, 0, 10), new Date(2026, 10, 22, 23, 50), new Date(2026, 10, 16), new Date(2026, 9, 30), new Date(2026, 8, 1)].map(at),
      now,
    );
    expect(groups.map(({ age }) => age)).toEqual(["today", "yesterday", "previous7Days", "previous30Days", "older"]);
  });
});

describe("router", () => {
  it.each(["/", "/c/a%2Fb", "/trace/msg-1", "/share/shr-a_-"])("%s is a page and has its path", (path) => {
    expect(pathOf(placeOf(path))).toBe(path);
  });
  it.each(["/c", "/c/a/b", "/elsewhere", "/trace/"])("%s is the new chat", (path) => {
    expect(placeOf(path)).toEqual({ page: "chat" });
  });
});

describe("languages", () => {
  it.each([
    [undefined, ["fr-FR", "de-AT", "en"], "de"],
    ["en", ["de"], "en"],
    ["xx", [], "en"],
  ])("chosen %s, preferred %j: %s", (chosen, preferred, expected) => {
    expect(firstLanguage(chosen, preferred)).toBe(expected);
  });
  it("name every reason in each", () => {
    expect(Object.keys(de.reasonNames)).toEqual(Object.keys(en.reasonNames));
  });
  it.each([
    [{ "de-AT": "Ton", en: "Tone" }, "Ton"],
    [{ fr: "Ton (fr)", en: "Tone" }, "Tone"],
    [{ fr: "Ton (fr)" }, "Ton (fr)"],
    [undefined, "Tone of voice"],
  ])("a deployer's label %j is %s in German", (label, expected) => {
    expect(nameOfDimension({ name: "tone_of_voice", type: "text", label }, { t: de, language: "de" })).toBe(expected);
  });
  it("a key's label comes before the usual name of a reason, and that before the key's own words", () => {
    const dimension = { name: "d", type: "boolean" as const, labels: { slow: { de: "Zu lahm" } } };
    expect(["slow", "incomplete", "wrong_price"].map((key) => nameOfKey(dimension, key, { t: de, language: "de" }))).toEqual(["Zu lahm", de.reasonNames.incomplete, "Wrong price"]);
  });
});
