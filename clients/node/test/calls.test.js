/** Calls, rows, errors and bad input, directly and through PgBouncer. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as client from "quota-client";
import { InvalidArgument, QuotaError, QuotaExceeded, Refused, isTransient, quota, refusals, transaction } from "quota-client";
import { database, thrown } from "./database.js";

const KEYS = [
	"code", "subject", "feature", "requested", "remaining", "allowance",
	"used", "plan", "blocked_by", "resets_at", "retry_after",
].sort();
const DAY = 86_400_000;

const db = database();

for (const place of ["pool", "bouncer"]) {
	describe(place, () => {
		test("a charge and its row", async () => {
			const subject = db.subject();
			await transaction(db[place], async (connection) => {
				const q = quota(connection);
				const asked = { subject, feature: "tokens", amount: 120, key: "k1", metadata: { why: 'it\'s "100%" $1' } };
				const row = await q.debit(asked);
				assert.equal(typeof row.id, "number");
				assert.equal(row.remaining, 880);
				assert.ok(row.resetsAt instanceof Date && row.resetsAt > new Date());
				assert.deepEqual(await q.debit(asked), row);
				assert.equal((await q.refund({ id: row.id, amount: 20n })).remaining, 900);
				assert.equal((await q.tryDebit({ subject, feature: "tokens", amount: 901 })).reason, "quota_exceeded");
				const part = await q.tryDebit({ subject, feature: "tokens", amount: 2000, upTo: true });
				assert.deepEqual([part.allowed, part.debited, part.remaining], [true, 900, 0]);
				const entries = await q.statement({ subject, feature: "tokens" });
				assert.deepEqual(entries.map((entry) => entry.amount), [120, -20, 900]);
				assert.deepEqual(entries[0].metadata, asked.metadata);
			});
			assert.deepEqual(await db.used(subject), [1000, 0]);
		});

		test("what is left", async () => {
			const subject = db.subject();
			const q = quota(db[place]);
			assert.equal(await q.has({ subject, feature: "tokens" }), true);
			assert.equal(await q.has({ subject, feature: "mindmap" }), false);
			assert.equal(await q.setting({ subject, feature: "max_mb" }), 1);
			assert.equal(await q.setting({ subject, feature: "mindmap" }), null);
			assert.equal((await q.me({ subject })).plan.name, "free");
			assert.equal((await q.status({ subject })).length, 5);
			const offers = await q.offers({ subject, feature: "tokens", amount: 5000 });
			assert.deepEqual(offers.map((offer) => offer.plan), ["pro"]);
			assert.deepEqual((await q.plans({}))[0].metadata, { price: 0 });
			assert.deepEqual(await q.quote({ action: "chat", units: { input: 10, output: 5 } }), [{ feature: "tokens", amount: 30 }]);
			assert.deepEqual(await q.verify({}), []);
		});

		test("times and intervals", async () => {
			const subject = db.subject();
			const q = quota(db[place]);
			for (const trial of ["3 days", { days: 3 }, { hours: 71, minutes: 60 }]) {
				const whom = `${subject}-${JSON.stringify(trial)}`;
				await q.subscribe({ subject: whom, plan: "pro", trial, quantity: 2, timezone: "Europe/Berlin" });
				const ends = new Date((await q.me({ subject: whom })).plan.trial_ends_at) - Date.now();
				assert.ok(ends > 3 * DAY - 60_000 && ends <= 3 * DAY, String(ends));
			}
			const [workspace] = subject.split("/");
			const top = { subject: workspace, feature: "tokens", amount: 50, beyondCaps: true };
			const grant = await q.credit({ ...top, expiresAt: new Date(Date.now() + DAY) });
			assert.equal(await q.revoke({ grantId: grant.id, amount: 20 }), 20);
			await q.throttle({ subject, feature: "api", cost: 2 });
			const slow = await q.throttle({ subject, feature: "api" });
			assert.equal(slow.allowed, false);
			assert.ok(slow.retryAfter > 1700 && slow.retryAfter <= 1800, String(slow.retryAfter)); // seconds
			const key = await q.createApiKey({ subject, name: "laptop", scopes: ["read", "it's"] });
			assert.deepEqual(await q.authenticate({ secret: key.secret }), { subject, keyId: key.id, scopes: ["read", "it's"] });
			assert.equal(await q.unitHours({ subject, feature: "documents", since: new Date(Date.now() - 3_600_000) }), "0");
			await q.override({ subject, feature: "documents", entitlement: { allowance: 3 } });
			assert.equal((await q.check({ subject, feature: "documents" })).allowance, 3);
			await q.override({ subject, feature: "documents", entitlement: null });
			assert.equal((await q.check({ subject, feature: "documents" })).allowance, 5);
		});

		test("a bigint is exact or an error", async () => {
			const subject = db.subject();
			const [workspace] = subject.split("/");
			await quota(db[place]).subscribe({ subject: workspace, plan: "huge" });
			assert.ok((await thrown(() => quota(db[place]).check({ subject, feature: "tokens" }))) instanceof RangeError);
			const exact = quota(db[place], { bigint: true });
			assert.equal((await exact.debit({ subject, feature: "tokens", amount: 2n ** 53n })).remaining, 1n);
			assert.equal(typeof (await exact.check({ subject, feature: "tokens" })).used, "bigint");
		});

		for (const name of ["o'hara", 'the "best"', "100%s", "a:b", "$1", "'; DROP TABLE paper; --", "ünïcode ☃", "\\"]) {
			test(`names are plain data: ${name}`, async () => {
				const subject = `${db.subject()}/${name}`;
				const q = quota(db[place]);
				await q.debit({ subject, feature: "tokens", key: name, metadata: { [name]: name } });
				const [entry] = await q.statement({ subject, feature: "tokens" });
				assert.deepEqual([entry.subject, entry.metadata], [subject, { [name]: name }]);
			});
		}

		test("a refusal has its class and detail, and takes the caller's transaction along", async () => {
			const subject = db.subject();
			const error = await thrown(() =>
				transaction(db[place], async (connection) => {
					await quota(connection).debit({ subject, feature: "tokens", amount: 30 });
					await quota(connection).debit({ subject, feature: "tokens", amount: 1000 });
				}),
			);
			assert.ok(error instanceof QuotaExceeded && error instanceof Refused && error.name === "QuotaExceeded");
			assert.deepEqual([error.sqlstate, error.status, error.code], ["QT402", 402, "quota_exceeded"]);
			assert.deepEqual(Object.keys(error.detail).sort(), KEYS);
			assert.equal(error.body, error.detail);
			assert.deepEqual([error.detail.requested, error.detail.remaining], [1000, 970]);
			assert.ok(error.hint && error.retryAfter > 0 && error.cause instanceof Error);
			assert.deepEqual(await db.used(subject), [0, 0]);
		});

		test("a savepoint survives a refusal; an aborted transaction says so", async () => {
			const subject = db.subject();
			await transaction(db[place], async (connection) => {
				const q = quota(connection);
				await connection.query("SAVEPOINT before");
				await thrown(() => q.debit({ subject, feature: "tokens", amount: 1001 }));
				const aborted = await thrown(() => q.check({ subject, feature: "tokens" }));
				assert.deepEqual([aborted.code, aborted instanceof QuotaError], ["25P02", false]);
				await connection.query("ROLLBACK TO SAVEPOINT before");
				await q.debit({ subject, feature: "tokens", amount: 5 });
			});
			assert.deepEqual(await db.used(subject), [5, 0]);
		});

		test("every class of error", async () => {
			const subject = db.subject();
			const q = quota(db[place]);
			const refused = async (name, given) => {
				const error = await thrown(() => q[name](given));
				return [error.constructor, error.sqlstate, error.status];
			};
			await q.debit({ subject, feature: "tokens", key: "same" });
			await q.subscribe({ subject: `${subject}-2`, plan: "pro" });
			await q.setStatus({ subject: `${subject}-2`, status: "paused" });
			const held = await q.reserve({ subject, feature: "tokens", amount: 5, ttl: { minutes: 1 } });
			await q.settle({ id: held.id, amount: 3 });
			await q.throttle({ subject, feature: "api", cost: 2 });
			const tokens = { subject, feature: "tokens" };
			assert.deepEqual(await refused("debit", { ...tokens, subject: `${subject}-2` }), [client.SubscriptionInactive, "QT402", 402]);
			assert.deepEqual(await refused("debit", { subject, feature: "mindmap" }), [client.NotEntitled, "QT403", 403]);
			assert.deepEqual(await refused("debit", { subject, feature: "api" }), [client.RateLimited, "QT429", 429]);
			assert.deepEqual(await refused("debit", { ...tokens, amount: 2, key: "same" }), [client.IdempotencyConflict, "QT409", 409]);
			assert.deepEqual(await refused("debit", { subject, feature: "nonsense" }), [client.NotFound, "QT404", 404]);
			assert.deepEqual(await refused("settle", { id: held.id, amount: 4 }), [client.HoldClosed, "QT410", 410]);
			assert.deepEqual(await refused("authenticate", { secret: "qk_wrong" }), [client.Unauthenticated, "QT401", 401]);
			for (const amount of [0, -1]) {
				assert.deepEqual(await refused("debit", { ...tokens, amount }), [InvalidArgument, "22023", 400]);
			}
			assert.deepEqual(await refused("debit", { feature: "tokens", subject: null }), [InvalidArgument, "22004", 400]);
			assert.deepEqual(await refused("debit", { ...tokens, subject: "a//b" }), [InvalidArgument, "22023", 400]);
			assert.deepEqual(await refused("debit", { ...tokens, subject: "x".repeat(256) }), [InvalidArgument, "22001", 400]);
		});

		test("huge and unspeakable values", async () => {
			const subject = db.subject();
			await transaction(db[place], async (connection) => {
				const q = quota(connection);
				for (const amount of [2n ** 63n, -(2n ** 63n) - 1n]) {
					const error = await thrown(() => q.debit({ subject, feature: "tokens", amount }));
					assert.deepEqual([error.sqlstate, error.status], ["22003", 400]);
				}
				for (const text of ["nul\0", "half a pair \ud800"]) {
					assert.ok((await thrown(() => q.debit({ subject: text, feature: "tokens" }))) instanceof InvalidArgument);
				}
				assert.ok((await thrown(() => q.debit({ subject, feature: "tokens", metadata: { x: NaN } }))) instanceof InvalidArgument);
				await q.debit({ subject, feature: "tokens", amount: 5 }); // the transaction is as good as before
			});
			assert.deepEqual(await db.used(subject), [5, 0]);
			const error = await thrown(() => quota(db[place]).debit({ subject, feature: "tokens", amount: 2n ** 63n - 1n }));
			assert.ok(error instanceof QuotaExceeded);
		});

		test("values of a wrong type", async () => {
			const subject = db.subject();
			const q = quota(db[place]);
			for (const amount of [1.5, NaN, 2 ** 53, "1", true, [1], {}]) {
				const error = await thrown(() => q.debit({ subject, feature: "tokens", amount }));
				assert.ok(error instanceof TypeError && /debit's amount takes no/.test(error.message), String(amount));
			}
			assert.match((await thrown(() => q.debit({ subject, feature: 7 }))).message, /feature/);
			assert.match((await thrown(() => q.debit({ subject, feature: "tokens", amuont: 1 }))).message, /no amuont/);
			assert.match((await thrown(() => q.reserve({ subject, feature: "tokens", amount: 1, ttl: { days: "1" } }))).message, /ttl/);
			assert.match((await thrown(() => q.createApiKey({ subject, name: "x", scopes: "read" }))).message, /scopes/);
			const id = Math.floor(Math.random() * 2 ** 50);
			assert.equal((await q.debit({ subject: id, feature: "tokens", amount: 3 })).remaining, 997);
			assert.equal((await q.debit({ subject: String(id), feature: "tokens", amount: 3 })).remaining, 994);
		});

		test("a gate refuses the application's own statement; other errors pass unchanged", async () => {
			const subject = db.subject();
			const insert = "INSERT INTO paper (owner) SELECT $1 FROM generate_series(1, 6)";
			const error = await thrown(() => refusals(() => db[place].query(insert, [subject])));
			assert.ok(error instanceof QuotaExceeded);
			assert.deepEqual([error.detail.feature, error.detail.requested], ["documents", 6]);
			const other = await thrown(() => refusals(() => db[place].query("SELECT 1/0")));
			assert.deepEqual([other.code, QuotaError.from(other), isTransient(other)], ["22012", null, false]);
			const code = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$";
			assert.equal(isTransient(await thrown(() => db[place].query(code))), true);
			assert.equal(QuotaError.from("no error at all"), null);
		});

		test("a closed connection is the driver's error", async () => {
			const connection = await db[place].connect();
			connection.on("error", () => {});
			connection.release(true);
			const error = await thrown(() => quota(connection).check({ subject: db.subject(), feature: "tokens" }));
			assert.equal(error instanceof QuotaError, false);
		});
	});
}
