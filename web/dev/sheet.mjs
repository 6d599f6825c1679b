// Puts pictures side by side. Usage: node dev/sheet.mjs OUT.png A.png B.png …
import { readFileSync } from "node:fs";
import { launch } from "./browser.mjs";

const [out, ...files] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 100, height: 100 } });
const images = files.map((file) => `<img src="data:image/png;base64,${readFileSync(file).toString("base64")}">`);
await page.setContent(`<body style="margin:0;display:inline-flex;gap:8px;background:#888">${images.join("")}</body>`);
await page.locator("body").screenshot({ path: out });
await browser.close();
