/** Holds, directly and through PgBouncer. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { HoldClosed, QuotaExceeded, hold, transaction } from "quota-client";
import { database, thrown } from "./database.js";

const db = database();

for (const place of ["pool", "bouncer"]) {
	describe(place, () => {
		const asked = (subject, more = {}) => ({ subject, feature: "tokens", amount: 100, ...more });

		test("reserve, count, extend, settle", async () => {
			const subject = db.subject();
			const result = await hold(db[place], asked(subject, { ttl: { minutes: 1 }, metadata: { why: "test" } }), async (h) => {
				assert.deepEqual([h.reserved, h.remaining, h.counted], [100, 900, 0]);
				assert.ok(h.expiresAt > new Date());
				assert.deepEqual(await db.used(subject), [100, 100]); // committed: others see it
				assert.equal(await h.count(60), 60);
				await h.count(60);
				assert.deepEqual([h.reserved, (await db.used(subject))[1]], [170, 170]); // half the estimate more than was needed
				await h.extend({ amount: 300 });
				assert.deepEqual(await db.used(subject), [300, 300]);
				assert.deepEqual((await h.settle()).charged, 120);
				await assert.rejects(h.count(1), /closed/);
				return "done";
			});
			assert.equal(result, "done");
			assert.deepEqual(await db.used(subject), [120, 0]);
		});

		for (const counted of [0, 30, 400]) {
			for (const fails of [false, true]) {
				test(`leaving charges what was counted: ${counted}, ${fails ? "with an error" : "at the end"}`, async () => {
					const subject = db.subject();
					const work = async (h) => {
						await h.count(counted);
						if (fails) throw new SyntaxError("broke off");
					};
					if (fails) await assert.rejects(hold(db[place], asked(subject), work), SyntaxError);
					else await hold(db[place], asked(subject), work);
					assert.deepEqual(await db.used(subject), [counted, 0]);
				});
			}
		}

		test("too little room reserves nothing", async () => {
			const subject = db.subject();
			await assert.rejects(hold(db[place], asked(subject, { amount: 1001 }), () => assert.fail("must not run")), QuotaExceeded);
			assert.deepEqual(await db.used(subject), [0, 0]);
			await hold(db[place], asked(subject, { amount: 1001, upTo: true }), async (h) => {
				assert.equal(h.reserved, 1000);
				await assert.rejects(h.count(1001), QuotaExceeded);
				assert.equal(h.counted, 0);
				assert.equal((await h.settle({ amount: 1100 })).overdrawn, 100); // the work is done all the same
			});
			assert.deepEqual(await db.used(subject), [1100, 0]);
		});

		test("settle commits with the rows it pays for, and not without them", async () => {
			const subject = db.subject();
			await hold(db[place], asked(subject), async (h) => {
				await h.count(70);
				await transaction(db[place], async (client) => {
					await h.settle({ client });
					assert.deepEqual(await db.used(subject), [100, 100]);
				});
			});
			assert.deepEqual(await db.used(subject), [70, 0]);
			await hold(db[place], asked(subject), async (h) => {
				await h.count(20);
				await thrown(() =>
					transaction(db[place], async (client) => {
						await h.settle({ client });
						throw new Error("not stored");
					}),
				);
			});
			assert.deepEqual(await db.used(subject), [90, 0]); // delivered, though not stored
			await transaction(db[place], (client) =>
				hold(db[place], asked(subject), async (h) => {
					await h.count(5);
					await h.settle({ client });
				}),
			);
			assert.deepEqual(await db.used(subject), [95, 0]);
		});

		test("releasing gives back what was counted", async () => {
			const subject = db.subject();
			await hold(db[place], asked(subject), async (h) => {
				await h.count(30);
				await h.release();
			});
			assert.deepEqual(await db.used(subject), [0, 0]);
		});

		test("a retry with the same key is the same hold", async () => {
			const subject = db.subject();
			await hold(db[place], asked(subject, { key: "once" }), (first) =>
				hold(db[place], asked(subject, { key: "once" }), async (second) => {
					assert.equal(second.id, first.id);
					await second.count(40);
					await first.count(40);
				}),
			);
			assert.deepEqual(await db.used(subject), [40, 0]);
		});

		test("a hold that expired in silence is paid late", async () => {
			const subject = db.subject();
			const work = async (h) => {
				await h.count(30);
				await sleep(1200);
				assert.deepEqual(await db.used(subject), [0, 0]);
				await h.count(1);
			};
			await assert.rejects(hold(db[place], asked(subject, { ttl: { milliseconds: 1000 } }), work), HoldClosed);
			assert.deepEqual(await db.used(subject), [30, 0]);
		});

		test("counting takes whole numbers", async () => {
			const subject = db.subject();
			await hold(db[place], asked(subject), async (h) => {
				await assert.rejects(h.count(1.5), TypeError);
				await assert.rejects(h.count(-1), RangeError);
			});
			assert.deepEqual(await db.used(subject), [0, 0]);
		});
	});
}

test("a hold that cannot be settled is told", async () => {
	const told = [];
	const listen = (warning) => told.push(warning.message);
	process.on("warning", listen);
	let broken = false;
	const pool = { connect: () => (broken ? Promise.reject(new Error("the database is gone")) : db.pool.connect()) };
	await hold(pool, { subject: db.subject(), feature: "tokens", amount: 100, ttl: "1 second" }, async (h) => {
		await h.count(30);
		broken = true;
	});
	await sleep(10);
	process.off("warning", listen);
	assert.equal(told.length, 1);
	assert.match(told[0], /30 delivered units are not charged/);
});
