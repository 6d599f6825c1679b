import { defineConfig } from "vite";

// One origin for both: the page, and the server behind /api. Vite keeps the Host header, which the server compares.
export default defineConfig({
  base: "./",
  build: { modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  server: {
    port: 5174,
    fs: { allow: ["../.."] },
    proxy: { "/api": process.env.THUMBPRINT ?? "http://127.0.0.1:8080" },
  },
});
