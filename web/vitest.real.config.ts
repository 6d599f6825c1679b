import { defineConfig } from "vitest/config";

// The page in a real browser, served by the real binary (THUMBPRINT_BINARY, or
// one built here). One file at a time, as in vitest.browser.config.ts.
export default defineConfig({
  test: {
    include: ["test/real/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 180_000,
  },
});
