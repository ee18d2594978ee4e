/** Refusals as HTTP answers, in Express and Fastify. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import express from "express";
import Fastify from "fastify";
import { quota, transaction } from "quota-client";
import * as forExpress from "quota-client/express";
import * as forFastify from "quota-client/fastify";
import { database } from "./database.js";

const db = database();

const who = (request) => request.headers["x-subject"];
const take = async (request) => {
	const asked = { subject: who(request), feature: "documents", amount: Number(request.params.n) };
	return transaction(db.pool, (client) => quota(client).debit(asked));
};
const paper = async (request) => {
	const insert = "INSERT INTO paper (owner) SELECT $1 FROM generate_series(1, $2)";
	await db.pool.query(insert, [who(request), Number(request.params.n)]);
	return {};
};
const nothing = (request) => quota(db.pool).debit({ subject: who(request), feature: "tokens", amount: 0 });
const broken = () => db.pool.query("SELECT 1/0");
const never = () => assert.fail("the route must not run");

const SITES = {
	async express() {
		const app = express();
		const route = (work) => async (request, response, next) => {
			try {
				response.json(await work(request));
			} catch (error) {
				next(error);
			}
		};
		app.post("/take/:n", forExpress.requires(db.pool, { subject: who, feature: "documents" }), route(take));
		app.post("/paper/:n", route(paper));
		app.post("/many", forExpress.requires(db.pool, { subject: async (r) => who(r), feature: "tokens", amount: () => 9000 }), route(never));
		app.post("/nothing", route(nothing));
		app.post("/broken", route(broken));
		app.use(forExpress.quotaErrors(db.pool));
		app.use((error, request, response, next) => response.status(500).json({})); // four parameters make it an error handler
		const server = app.listen(0, "127.0.0.1");
		await once(server, "listening");
		return { base: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
	},
	async fastify() {
		const app = Fastify();
		app.setErrorHandler(forFastify.quotaErrors(db.pool));
		app.post("/take/:n", { preHandler: forFastify.requires(db.pool, { subject: who, feature: "documents" }) }, take);
		app.post("/paper/:n", paper);
		const many = { subject: async (r) => who(r), feature: "tokens", amount: () => 9000 };
		app.post("/many", { preHandler: forFastify.requires(db.pool, many) }, never);
		app.post("/nothing", nothing);
		app.post("/broken", broken);
		return { base: await app.listen({ port: 0, host: "127.0.0.1" }), close: () => app.close() };
	},
};

for (const [name, open] of Object.entries(SITES)) {
	describe(name, () => {
		const post = async (path, subject) => {
			const site = await open();
			try {
				const answer = await fetch(site.base + path, { method: "POST", headers: { "X-Subject": subject } });
				return { status: answer.status, headers: answer.headers, body: await answer.json() };
			} finally {
				site.close();
			}
		};
		/** A refusal is noted once its answer is sent. */
		const denied = async (subject) => {
			for (let attempt = 0; attempt < 50; attempt++) {
				const found = await db.denied(subject);
				if (found.length) return found;
				await sleep(20);
			}
			return [];
		};

		test("a refused debit is a 402", async () => {
			const subject = db.subject();
			assert.equal((await post("/take/4", subject)).body.remaining, 1);
			const { status, headers, body } = await post("/take/2", subject); // passes the look, refused by the debit
			assert.deepEqual([status, body.code, body.requested, body.remaining], [402, "quota_exceeded", 2, 1]);
			assert.equal(headers.get("cache-control"), "no-store");
			assert.equal(headers.get("retry-after"), null); // waiting brings no room for documents
			assert.deepEqual(await denied(subject), ["documents quota_exceeded 1"]);
			assert.deepEqual(await db.used(subject, "documents"), [4, 0]);
		});

		test("an early look refuses before the route, as the debit would", async () => {
			const subject = db.subject();
			const { status, body } = await post("/many", subject);
			assert.deepEqual([status, body.requested, body.plan, body.blocked_by], [402, 9000, "free", subject.split("/")[0]]);
			assert.equal(Object.keys(body).length, 11);
			assert.deepEqual(await denied(subject), ["tokens quota_exceeded 1"]);
			assert.deepEqual(await db.used(subject), [0, 0]);
		});

		test("Retry-After where waiting helps", async () => {
			const subject = db.subject();
			await quota(db.pool).subscribe({ subject, plan: "pro" });
			await quota(db.pool).debit({ subject, feature: "tokens", amount: 95_000 });
			const { status, headers, body } = await post("/many", subject);
			assert.equal(status, 402);
			assert.ok(body.retry_after > 0 && headers.get("retry-after") === String(body.retry_after));
		});

		test("a gate refuses without any call of ours", async () => {
			const subject = db.subject();
			assert.equal((await post("/paper/5", subject)).status, 200);
			const { status, body } = await post("/paper/1", subject);
			assert.deepEqual([status, body.feature], [402, "documents"]);
			assert.deepEqual(await denied(subject), ["documents quota_exceeded 1"]);
		});

		test("not in the plan is a 403, a wrong argument a 400, any other error the application's", async () => {
			const subject = db.subject();
			await quota(db.pool).subscribe({ subject: subject.split("/")[0], plan: "bare" });
			const { status, body } = await post("/take/1", subject);
			assert.deepEqual([status, body.code], [403, "not_entitled"]);
			const wrong = await post("/nothing", subject);
			assert.deepEqual([wrong.status, Object.keys(wrong.body).sort()], [400, ["code", "message"]]);
			assert.equal((await post("/broken", subject)).status, 500);
			assert.deepEqual(await denied(subject), ["documents not_entitled 1"]);
		});
	});
}
