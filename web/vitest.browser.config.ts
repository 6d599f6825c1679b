import { defineConfig } from "vitest/config";

// The page in a real browser, against dev/mock.mjs. Each file has a browser of its own and mostly waits, so two go at a time.
export default defineConfig({
  test: {
    include: ["test/*.test.ts"],
    environment: "node",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
