// Asks a planner in JavaScript: `node ask.mjs planner/planner.js < questions`, after
// `npx jco transpile planner.wasm --instantiation async -o planner`.
//
// A question is a line of JSON, `{"plan": REQUEST}`, with the names of the contract; so is the
// answer, `{"ok": PLAN}` or `{"err": ERROR}`.

import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const INTERFACES = { describe: "layering", plan: "layering", resolve: "image", render: "image" };
// Those of the contract's numbers that are `u64`, and therefore a `BigInt`.
const LARGE = new Set(["size", "transferSize"]);

const file = pathToFileURL(process.argv[2]);
const { instantiate } = await import(file);
const modules = new Map();

// A compiled module of the component, for all instances.
async function compiled(name) {
  if (!modules.has(name)) {
    modules.set(name, await WebAssembly.compile(await readFile(new URL(name, file))));
  }
  return modules.get(name);
}

// Calls a function in an instance of its own. It is given nothing, so there is nothing that the
// planner could reach.
async function ask(name, request) {
  const planner = await instantiate(compiled, {});
  const ask = planner[`terrine:planner/${INTERFACES[name]}@0.1.0`][name];
  try {
    return { ok: plain(name === "describe" ? ask() : ask(typed(request))) };
  } catch (error) {
    // What is no error of the contract is a trap.
    if (error.payload === undefined) throw error;
    return { err: plain(error.payload) };
  }
}

// A value of the contract out of JSON: names in camel case, `null` for none.
function typed(value, name) {
  if (Array.isArray(value)) return value.map((item) => typed(item));
  if (typeof value === "number" && LARGE.has(name)) return BigInt(value);
  if (typeof value !== "object" || value === null) return value ?? undefined;
  const camel = (name) => name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [camel(name), typed(field, camel(name))]),
  );
}

// JSON out of a value of the contract.
function plain(value) {
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value, plain);
  if (typeof value !== "object" || value === null) return value ?? null;
  const kebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [kebab(name), plain(field)]),
  );
}

for await (const line of createInterface({ input: process.stdin })) {
  for (const [name, request] of Object.entries(JSON.parse(line))) {
    console.log(JSON.stringify(await ask(name, request)));
  }
}
