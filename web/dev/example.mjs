// Serves clients/js beside a server, on one origin, as a reverse proxy would.
// Usage: node dev/example.mjs [SERVER] (http://127.0.0.1:8080)
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, request } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../clients/js", import.meta.url));
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8" };
// As strict as a page can be, so that the element is known to work there.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'";

/** Starts it; `close` ends it. */
export async function serveExample(target, port = 0) {
  const server = createServer((req, res) => {
    const { pathname } = new URL(req.url, "http://x");
    if (pathname.startsWith("/api/")) return carry(target, req, res);
    return file(pathname, res);
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/example/`,
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

function file(pathname, res) {
  const name = normalize(join(folder, pathname.endsWith("/") ? `${pathname}index.html` : pathname));
  if (!name.startsWith(folder) || !existsSync(name) || statSync(name).isDirectory()) return res.writeHead(404).end();
  res.writeHead(200, { "Content-Type": types[extname(name)] ?? "text/plain", "Content-Security-Policy": policy, "Cache-Control": "no-store" });
  return createReadStream(name).pipe(res);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await serveExample(process.argv[2] ?? "http://127.0.0.1:8080", 8090);
  console.log(url);
}
