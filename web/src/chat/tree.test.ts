import { describe, expect, it } from "vitest";
import type { Message } from "../api/types";
import { branch, choosing, renamed, withMessage } from "./tree";

const message = (id: string, parent?: string, role: Message["role"] = "user"): Message => ({
  id,
  parent_id: parent,
  role,
  content: id,
  status: "complete",
  rateable: false,
  feedback: [],
  timestamp: "2026-11-23T00:00:00.000Z",
});

// q1 ─ a1 ─ q2 ─ a2
//    └ a1b ─ q3
// q1b
const tree = [message("q1"), message("a1", "q1"), message("q2", "a1"), message("a2", "q2"), message("a1b", "q1"), message("q3", "a1b"), message("q1b")];
const ids = (choices: Record<string, string>) => branch(tree, choices).map((step) => step.message.id);

describe("branch", () => {
  it.each([
    ["the newest everywhere", {}, ["q1b"]],
    ["a chosen root, then the newest", { "": "q1" }, ["q1", "a1b", "q3"]],
    ["a chosen answer", { "": "q1", q1: "a1" }, ["q1", "a1", "q2", "a2"]],
    ["a choice that is gone", { "": "gone" }, ["q1b"]],
  ])("shows %s", (_name, choices, expected) => {
    expect(ids(choices)).toEqual(expected);
  });

  it("counts siblings", () => {
    expect(branch(tree, { "": "q1" })[1]?.siblings).toEqual(["a1", "a1b"]);
  });

  it("hides nothing whose parent is missing", () => {
    expect(branch([message("x", "gone"), message("y", "x")], {}).map((step) => step.message.id)).toEqual(["x", "y"]);
  });

  it("ends in a circle", () => {
    expect(branch([message("x", "y"), message("y", "x")], {})).toEqual([]);
    expect(branch([message("r"), message("r", "r")], {})).toHaveLength(1);
  });
});

describe("choosing", () => {
  it.each(["a2", "q3", "q1b", "a1"])("makes %s visible", (id) => {
    expect(ids({ ...choosing(tree, {}, id) })).toContain(id);
  });

  it("keeps other choices", () => {
    expect(choosing(tree, { other: "x" }, "a1")).toMatchObject({ other: "x", "": "q1", q1: "a1" });
  });
});

describe("renamed", () => {
  it("renames a message and its children's parent", () => {
    const stored = renamed([message("local-q"), message("local-a", "local-q")], "local-q", "m1");
    expect(stored.map(({ id, parent_id }) => [id, parent_id])).toEqual([
      ["m1", undefined],
      ["local-a", "m1"],
    ]);
  });

  it("does not make two of one that was loaded meanwhile", () => {
    expect(renamed([message("m1"), message("local-q")], "local-q", "m1")).toHaveLength(1);
  });
});

it("withMessage replaces in place and adds at the end", () => {
  const changed = { ...message("q2", "a1"), content: "new" };
  expect(withMessage(tree, changed).map(({ id }) => id)).toEqual(tree.map(({ id }) => id));
  expect(withMessage(tree, message("z")).at(-1)?.id).toBe("z");
});
