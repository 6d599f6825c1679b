import { defineConfig } from "vitest/config";

// Not a test of CI: it measures times, so it wants a quiet machine.
export default defineConfig({
  test: {
    include: ["bench/page.ts"],
    environment: "node",
    testTimeout: 600_000,
    hookTimeout: 600_000,
    disableConsoleIntercept: true,
  },
});
