// Serves an example of clients/js beside a server, on one origin, as a reverse proxy would.
// Usage: node dev/example.mjs [SERVER] (http://127.0.0.1:8080)
import { execFileSync } from "node:child_process";
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, request } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../clients/js", import.meta.url));
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8" };

/** The plain example, as it lies there: it needs no build. */
const plain = { folder, path: "/example/", style: "'self'" };

/** Builds the React example into `outDir`. It has packages of its own, which the chat page does not need. */
export function buildReactExample(outDir) {
  const source = join(folder, "example/react");
  if (!existsSync(join(source, "node_modules"))) throw new Error("the React example's packages are missing: npm ci --prefix clients/js/example/react");
  execFileSync("npm", ["run", "--silent", "build", "--", "--outDir", outDir, "--emptyOutDir", "--logLevel", "warn"], { cwd: source, stdio: "inherit", env: { ...process.env, NODE_ENV: "production" } });
  // The kit's icons bring their style inline.
  return { folder: outDir, path: "/", style: "'self' 'unsafe-inline'" };
}

// As strict as a page can be, so that the element is known to work there.
const policy = (style) => `default-src 'none'; script-src 'self'; style-src ${style}; connect-src 'self'; base-uri 'none'; form-action 'none'`;

/** Starts it; `close` ends it. */
export async function serveExample(target, { port = 0, example = plain } = {}) {
  const server = createServer((req, res) => {
    const { pathname } = new URL(req.url, "http://x");
    if (pathname.startsWith("/api/")) return carry(target, req, res);
    return file(example, pathname, res);
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}${example.path}`,
    close: () => new Promise((resolve) => (server.close(resolve), server.closeAllConnections())),
  };
}

function carry(target, req, res) {
  const onward = request(target + req.url, { method: req.method, headers: req.headers }, (answer) => {
    res.writeHead(answer.statusCode, answer.headers);
    answer.pipe(res);
  });
  onward.on("error", () => (res.headersSent ? res.destroy() : res.writeHead(502).end()));
  req.pipe(onward);
}

function file({ folder: root, style }, pathname, res) {
  const name = normalize(join(root, pathname.endsWith("/") ? `${pathname}index.html` : pathname));
  if (!name.startsWith(root) || !existsSync(name) || statSync(name).isDirectory()) return res.writeHead(404).end();
  res.writeHead(200, { "Content-Type": types[extname(name)] ?? "text/plain", "Content-Security-Policy": policy(style), "Cache-Control": "no-store" });
  return createReadStream(name).pipe(res);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await serveExample(process.argv[2] ?? "http://127.0.0.1:8080", { port: 8090 });
  console.log(url);
}
