/** docs/stacks/node.md is true: walked as its reader would, in a folder from which the package resolves. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import pg from "pg";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const folder = mkdtempSync(fileURLToPath(new URL("../stack-", import.meta.url)));
after(() => rmSync(folder, { recursive: true, force: true }));

test("every step of the page", () => {
	const { host, port, user } = new pg.Client(process.env.QUOTA_TEST_URL);
	const environment = { ...process.env, PGHOST: host, PGPORT: String(port), PGUSER: user };
	const command = [`${root}test/docs/walk.py`, `${root}docs/stacks/node.md`, folder];
	const done = spawnSync("/usr/bin/python3", command, { env: environment, encoding: "utf8", timeout: 120_000 });
	assert.equal(done.status, 0, done.stdout + done.stderr);
});
