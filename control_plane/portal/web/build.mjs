// Bundles the portal's scripts and styles to ../static/portal/dist/, or the unit tests to build-tests/ (--tests).
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../static/portal/dist");
const locate = createRequire(import.meta.url).resolve;
const arguments_ = new Set(process.argv.slice(2));

if (arguments_.has("--tests")) {
  const tests = (await readdir(join(here, "test"))).filter((name) => name.endsWith(".test.ts"));
  await rm(join(here, "build-tests"), { recursive: true, force: true });
  await esbuild.build({
    absWorkingDir: here,
    entryPoints: tests.map((name) => `test/${name}`),
    outdir: "build-tests",
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "warning",
  });
} else {
  const options = {
    absWorkingDir: here,
    entryPoints: [
      { in: "src/portal.ts", out: "portal" },
      { in: "src/replay.ts", out: "replay" },
      { in: "src/share.ts", out: "share" },
      { in: "src/console.ts", out: "console" },
      { in: "src/styles/portal.css", out: "style" },
      { in: "src/styles/console.css", out: "console" },
    ],
    outdir: out,
    bundle: true,
    minify: !arguments_.has("--watch"),
    sourcemap: arguments_.has("--watch"),
    format: "esm",
    target: ["chrome110", "firefox115", "safari16.4"],
    loader: { ".woff2": "file" },
    assetNames: "[name]-[hash]",
    legalComments: "linked",
    logLevel: "warning",
  };
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  // The worker stays a file of its own: the content security policy allows workers from our own path only.
  const worker = await readFile(locate("hls.js/dist/hls.worker.js"), "utf8");
  await writeFile(join(out, "hls.worker.js"), worker.replace(/\/\/# sourceMappingURL=.*$/m, ""));
  if (arguments_.has("--watch")) {
    const context = await esbuild.context(options);
    await context.watch();
  } else {
    await esbuild.build(options);
  }
}
