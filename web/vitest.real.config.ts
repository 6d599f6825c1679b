import { defineConfig } from "vitest/config";

// The page in a real browser, served by the real binary (THUMBPRINT_BINARY, or
// one built here). Two files at a time, as in vitest.browser.config.ts.
export default defineConfig({
  test: {
    include: ["test/real/**/*.test.ts"],
    environment: "node",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 180_000,
  },
});
