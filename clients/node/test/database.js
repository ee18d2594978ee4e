/** A database with a catalog for the tests of a file, directly and through PgBouncer in transaction mode. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { quota } from "quota-client";

const CATALOG = {
	features: {
		tokens: { kind: "metered", unit: "token" },
		documents: { kind: "capacity" },
		api: { kind: "rate" },
		mindmap: { kind: "boolean" },
		max_mb: { kind: "static" },
	},
	plans: {
		free: {
			default: true,
			metadata: { price: 0 },
			entitlements: {
				tokens: { allowance: 1000, period: "month" },
				documents: { allowance: 5 },
				api: { rate: { limit: 2, per: "1 hour" } },
				max_mb: { value: 1 },
			},
		},
		pro: {
			title: "Pro",
			entitlements: { tokens: { allowance: 100000, period: "month" }, documents: { allowance: null }, mindmap: { value: true } },
		},
		huge: { listed: false, entitlements: { tokens: { allowance: "9007199254740993" } } },
		bare: { entitlements: { tokens: { allowance: 10 } } },
	},
	actions: { chat: { charges: { tokens: { per_unit: { input: 1, output: 4 } } } } },
};

/** Numbers that JavaScript's own JSON cannot hold. */
const catalogText = JSON.stringify(CATALOG).replace('"9007199254740993"', "9007199254740993");

/**
 * Call it once in a file: its hooks make the database and drop it. What it returns is filled by then: pool (direct),
 * bouncer (a pool through PgBouncer) and subject(), a new one for each call.
 */
export function database() {
	const given = process.env.QUOTA_TEST_URL;
	assert.ok(given, "QUOTA_TEST_URL is not set: the superuser URL of a private cluster's maintenance database");
	const name = `quota_node_${process.pid}`;
	const found = { subject: () => `node-${Math.random().toString(36).slice(2)}/me` };
	let maintenance, process_;

	before(async () => {
		maintenance = new pg.Client(given);
		await maintenance.connect();
		await maintenance.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
		await maintenance.query(`CREATE DATABASE ${name}`);
		const place = { host: maintenance.host, port: maintenance.port, user: maintenance.user, database: name };
		found.place = place;
		found.pool = new pg.Pool({ ...place, max: 4 });
		await found.pool.query("CREATE EXTENSION quota CASCADE");
		await found.pool.query("SELECT * FROM quota.apply_catalog($1::text::jsonb)", [catalogText]);
		await found.pool.query("CREATE TABLE paper (id bigint GENERATED ALWAYS AS IDENTITY, owner text NOT NULL)");
		await found.pool.query("SELECT quota.protect('paper', 'documents', 'r.owner')");
		const port = await freePort();
		const folder = await mkdtemp(join(tmpdir(), "bouncer-"));
		process_ = await startBouncer(folder, port, place);
		found.bouncer = new pg.Pool({ ...place, host: folder, port, max: 4 });
		found.used = async (subject, feature = "tokens") => {
			const row = (await quota(found.pool).status({ subject })).find((one) => one.feature === feature);
			return [row.used, row.reserved];
		};
		found.denied = async (subject) => {
			const query = "SELECT feature, reason, times FROM quota.denials WHERE subject = $1";
			const { rows } = await found.pool.query(query, [subject]);
			return rows.map((row) => `${row.feature} ${row.reason} ${row.times}`);
		};
	});

	after(async () => {
		await found.bouncer?.end();
		await found.pool?.end();
		process_?.kill();
		await drop(maintenance, name);
		await maintenance.end();
	});

	return found;
}

/** The sessions of a pool that has ended may live a moment longer. */
async function drop(maintenance, name) {
	for (let attempt = 0; ; attempt++) {
		try {
			return await maintenance.query(`DROP DATABASE ${name}`);
		} catch (error) {
			if (error.code !== "55006" || attempt === 100) throw error;
			await sleep(50);
		}
	}
}

async function startBouncer(folder, port, place) {
	const config = join(folder, "pgbouncer.ini");
	await writeFile(
		config,
		`[databases]\n${place.database} = host=${place.host} port=${place.port} user=${place.user}\n` +
			`[pgbouncer]\nlisten_addr =\nlisten_port = ${port}\nunix_socket_dir = ${folder}\n` +
			`auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nlogfile = ${folder}/log\n`,
	);
	const started = spawn("/usr/sbin/pgbouncer", ["-q", config], { stdio: "inherit" });
	for (let attempt = 0; attempt < 100; attempt++) {
		const probe = new pg.Client({ ...place, host: folder, port });
		try {
			await probe.connect();
			await probe.end();
			return started;
		} catch {
			await sleep(100);
		}
	}
	throw new Error("PgBouncer did not come up");
}

function freePort() {
	return new Promise((resolve) => {
		const server = createServer().listen(0, "127.0.0.1", () => {
			const { port } = server.address();
			server.close(() => resolve(port));
		});
	});
}

/** The error that work throws. */
export async function thrown(work) {
	try {
		await work();
	} catch (error) {
		return error;
	}
	assert.fail("nothing was thrown");
}
