/** README.md is true: its blocks, one after the other, are a program that runs and prints what the page says. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { database } from "./database.js";

const db = database();
const program = new URL("../readme.mjs", import.meta.url); // from where its imports resolve as an application's
after(() => rmSync(program, { force: true }));

const END = `
const server = app.listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const base = "http://127.0.0.1:" + server.address().port;
for (const url of [base, await fastify.listen({ port: 0, host: "127.0.0.1" })]) {
	const answers = [];
	for (let n = 0; n < 2; n++) answers.push((await fetch(url + "/reports", { method: "POST", headers: { "X-User": "acme/bob" } })).status);
	console.log("reports", ...answers);
}
server.close();
await fastify.close();
await new Promise((resolve) => setTimeout(resolve, 200));	// the refusals are noted
await pool.end();
`;

test("every block of the page", async () => {
	const page = readFileSync(new URL("../README.md", import.meta.url), "utf8");
	const blocks = [...page.matchAll(/^```js\n(.*?)^```$/gms)].map((found) => found[1]);
	assert.ok(blocks.length >= 7);
	writeFileSync(program, blocks.join("\n") + END);
	await db.pool.query(`
		CREATE TABLE report (id bigint PRIMARY KEY, owner text);
		CREATE TABLE answer (owner text, body text);
		SELECT * FROM quota.apply_catalog(jsonb_set(jsonb_set(quota.export_catalog(),
			'{features}', (quota.export_catalog()->'features') || '{"reports": {"kind": "metered"}, "llm_tokens": {"kind": "metered"}}'),
			'{plans,free,entitlements}', (quota.export_catalog()#>'{plans,free,entitlements}')
				|| '{"reports": {"allowance": 3, "period": "month"}, "llm_tokens": {"allowance": 10000, "period": "month"}}'));
		SELECT * FROM quota.apply_catalog(jsonb_set(quota.export_catalog(), '{plans,pro,entitlements,llm_tokens}', '{"allowance": 1000000, "period": "month"}'))`);
	const { host, port, user, database: name } = db.place;
	const environment = { ...process.env, PGHOST: host, PGPORT: String(port), PGUSER: user, PGDATABASE: name };
	const done = spawnSync(process.execPath, [program.pathname], { env: environment, encoding: "utf8", timeout: 60_000 });
	assert.equal(done.status, 0, done.stderr);
	const said = done.stdout.split("\n");
	assert.match(said[0], /^2 \d{4}-\d\d-01T00:00:00\.000Z$/);
	assert.deepEqual(said.slice(1), [
		"[ [ 'pro', 1000000 ] ]", "402 quota_exceeded 8800 null true", "QuotaExceeded documents",
		"reports 200 200", "reports 402 402", "",
	]);
	assert.deepEqual((await db.pool.query("SELECT * FROM answer")).rows, [{ owner: "acme/alice", body: "The sky scatters blue light." }]);
});
