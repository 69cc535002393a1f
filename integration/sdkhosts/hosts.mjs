// Compares the hosts that vendors' npm SDKs name in their code with those of our
// connectors, and prints a table. It runs no code of a package.
//
//	cd $(mktemp -d) && echo '{}' > package.json
//	npm install --ignore-scripts $(awk '{print $2}' .../integration/sdkhosts/sdks.txt)
//	node .../integration/sdkhosts/hosts.mjs node_modules > .../docs/sdk-hosts.md
import { readFileSync, readdirSync, existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const catalog = join(here, "..", "..", "providers", "catalog");
const modules = process.argv[2];
if (!modules) {
  console.error("usage: node hosts.mjs NODE_MODULES");
  process.exit(2);
}

// reasons say why a host is not a connector's: connector or *, a host or .suffix, why.
const reasons = readFileSync(join(here, "reasons.txt"), "utf8").split("\n").filter((l) => l && !l.startsWith("#")).map((l) => l.split("\t"));

// Names of pages for people, which no SDK calls with a credential.
const pages = /^(www|docs?|developers?|dev-docs|help|support|status|blog|community|forum|learn|academy|dashboard|console|app|portal|go|info|legal|trust|cookbook|platform|guides?|reference|changelog|discuss|cdn|assets|static|images?|img|media|fonts?|schemas?|spec)\./;

function* files(dir, depth = 0) {
  if (depth > 12) return;
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, e.name);
    if (e.isDirectory()) {
      if (!/^(node_modules|test|tests|__tests__|docs?|examples?|samples?|\.git)$/.test(e.name)) yield* files(path, depth + 1);
    } else if (/\.(js|mjs|cjs)$/.test(e.name) && statSync(path).size < 4 << 20) yield path;
  }
}

// named are the hosts in the package's code, comments left out.
function named(dir) {
  const found = new Set();
  for (const file of files(dir)) {
    const code = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
    for (const [, host] of code.matchAll(/["'`]?(?:https?|wss?):\/\/([a-z0-9][a-z0-9.-]*\.[a-z]{2,})/gi)) found.add(host.toLowerCase().replace(/\.$/, ""));
  }
  return found;
}

// domains are those of the connector's own hosts: only below them can a host be the vendor's.
function domainsOf(yaml) {
  const out = new Set();
  for (const [, host] of yaml.matchAll(/([a-z0-9*{}._-]+\.[a-z]{2,})/g)) {
    const labels = host.split(".");
    const n = /^(co|com|net|org)$/.test(labels.at(-2)) && labels.at(-1).length === 2 ? 3 : 2;
    out.add(labels.slice(-n).join("."));
  }
  return out;
}

function reaches(yaml, host) {
  if (yaml.includes(host)) return true;
  for (const [, suffix] of yaml.matchAll(/[*}](\.[a-z0-9.-]+\.[a-z]{2,})/g)) if (host.endsWith(suffix)) return true;
  return false;
}

const rows = [];
let compared = 0, missing = 0;
for (const line of readFileSync(join(here, "sdks.txt"), "utf8").split("\n")) {
  const [key, name] = line.split(" ");
  const file = join(catalog, key + ".yaml"), dir = join(modules, name ?? "");
  if (!name || !existsSync(file) || !existsSync(join(dir, "package.json"))) continue;
  const yaml = readFileSync(file, "utf8");
  const hosts = yaml.slice(yaml.search(/^(hosts|environments):/m), yaml.search(/^auth:/m));
  const domains = domainsOf(hosts);
  const { version } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8"));
  compared++;
  const own = [...named(dir)].filter((h) => [...domains].some((d) => h === d || h.endsWith("." + d)) && !pages.test(h));
  const why = (h) => reasons.find(([k, s]) => (k === "*" || k === key) && (s.startsWith(".") ? h.endsWith(s) : h === s))?.[2];
  const left = own.filter((h) => !reaches(yaml, h));
  const unexplained = left.filter((h) => !why(h));
  if (unexplained.length > 0) missing++;
  rows.push(`| ${key} | ${name} ${version} | ${own.length - left.length} | ${left.map((h) => `${h}: ${why(h) ?? "**missing**"}`).join("; ")} |`);
}
console.log(`# Hosts of vendors' SDKs

Which hosts below a connector's own domains the code of the vendor's npm package names, and whether the connector
reaches them. Written by \`integration/sdkhosts/hosts.mjs\`; pages for people (docs, dashboards) are left out.
${compared} packages compared, ${missing} with a host that is missing and not explained.

| connector | package | reached | not reached |
|---|---|---|---|
${rows.join("\n")}`);
if (missing > 0) process.exitCode = 1;
