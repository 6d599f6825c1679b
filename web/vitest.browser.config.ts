import { defineConfig } from "vitest/config";

// The page in a real browser, against dev/mock.mjs. One file at a time: each
// starts a server and a browser.
export default defineConfig({
  test: {
    include: ["test/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
