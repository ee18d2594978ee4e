/** The package as npm packs it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";

test("what is packed is what the exports name, and nothing of the tests", () => {
	const root = new URL("..", import.meta.url);
	const packed = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root, encoding: "utf8" }));
	const files = packed[0].files.map((file) => file.path);
	const { exports } = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));
	const named = Object.values(exports).flatMap((entry) => Object.values(entry));
	for (const file of named) assert.ok(files.includes(file.replace("./", "")), file);
	assert.ok(files.includes("README.md"));
	assert.deepEqual(files.filter((file) => /^(test|src|node_modules)/.test(file)), []);
});
