import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/**
 * Has Chromium compile all of the first file while it arrives, beside the page's own thread. Without
 * that, each function is compiled on that thread when it is first called. Must be the first line.
 */
const compiledAtOnce: Plugin = {
  name: "compiled-at-once",
  generateBundle: {
    order: "post",
    handler(_, files) {
      for (const file of Object.values(files)) if (file.type === "chunk" && file.isEntry) file.code = `//# allFunctionsCalledOnLoad\n${file.code}`;
    },
  },
};

// The build is committed and embedded in the binary, so it must be the same
// bytes on every machine and its names must not change with its contents:
// no hashes (git then stores small deltas), no source maps.
export default defineConfig({
  plugins: [react(), tailwindcss(), compiledAtOnce],
  build: {
    outDir: "../internal/webui/dist",
    emptyOutDir: true,
    target: "es2022",
    // light-dark() as written; older browsers are not worth a second set of colours.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // data: fonts and scripts would need holes in the Content Security Policy.
    assetsInlineLimit: 0,
    // Raw bytes; what is loaded is about a third of it.
    chunkSizeWarningLimit: 700,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
        // All that the first view needs is one file.
        codeSplitting: { groups: [{ name: "index", tags: ["$initial"] }] },
      },
    },
  },
  server: {
    port: 5173,
    proxy: { "/api": "http://127.0.0.1:8090" },
  },
});
