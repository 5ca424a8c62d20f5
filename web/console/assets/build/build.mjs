// Bundles the console's one script. The result is committed, so that building the program needs no npm.
//
//   cp -r web/console/assets/build "$TMPDIR/editor" && cd "$TMPDIR/editor"
//   npm install && node build.mjs <repository>/web/console/assets
//
// esbuild 0.28.2. «codemirror» itself is left out on purpose: some registries answer that name with version 5.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const out = process.argv[2];
if (!out) throw new Error("usage: node build.mjs <assets folder>");

const { metafile } = await build({
  entryPoints: ["editor.mjs"], outfile: join(out, "editor.js"),
  bundle: true, minify: true, format: "iife", target: ["es2021"], charset: "utf8", legalComments: "none", metafile: true,
});

const used = new Set();
for (const file of Object.keys(metafile.inputs)) {
  const m = file.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (m) used.add(m[1]);
}
const lines = [...used].sort().map((name) => {
  const p = JSON.parse(readFileSync(join("node_modules", name, "package.json"), "utf8"));
  return `${p.name} ${p.version} ${p.license}`;
});
writeFileSync(join(out, "versions.txt"), "What editor.js is bundled from: name, version, licence.\n\n" + lines.join("\n") + "\n");

// The licences ask to travel with the code.
const texts = new Map();
for (const name of [...used].sort()) {
  const folder = join("node_modules", name);
  const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f));
  if (!file) continue;
  const words = readFileSync(join(folder, file), "utf8").trim();
  texts.set(words, [...(texts.get(words) ?? []), name]);
}
writeFileSync(join(out, "licences.txt"),
  [...texts].map(([words, names]) => `${names.join(", ")}\n\n${words}\n`).join("\n----\n\n"));
