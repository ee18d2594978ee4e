/** The types as an application meets them; compiled, never run. A line that must not compile says so. */
import express, { type Request } from "express";
import Fastify, { type FastifyRequest } from "fastify";
import pg from "pg";
import { hold, quota, transaction, type Answer, type Verdict } from "quota-client";
import * as forExpress from "quota-client/express";
import * as forFastify from "quota-client/fastify";

const pool = new pg.Pool();
const q = quota(pool);

const row = await q.debit({ subject: "alice", feature: "tokens", amount: 5n, key: 7, metadata: { why: "test" } });
const remaining: number | null = row.remaining;
const resetsAt: Date | null = row.resetsAt;
const exact: bigint | null = (await quota(pool, { bigint: true }).debit({ subject: "alice", feature: "tokens" })).remaining;
const plans: string[] = (await q.offers({ subject: "alice", feature: "tokens" })).map((plan) => plan.plan);
const has: boolean = await q.has({ subject: "alice", feature: "tokens" });
const nothing: void = await q.setStatus({ subject: "alice", status: "paused", until: new Date() });
const wait: number | null = (await q.throttle({ subject: "alice", feature: "api" })).retryAfter;
await q.override({ subject: "alice", feature: "tokens", entitlement: null });

// @ts-expect-error: a feature is needed
await q.debit({ subject: "alice" });
// @ts-expect-error: an amount is whole, not text
await q.debit({ subject: "alice", feature: "tokens", amount: "5" });
// @ts-expect-error: there is no such argument
await q.debit({ subject: "alice", feature: "tokens", amuont: 5 });
// @ts-expect-error: null removes an override, but something has to be said
await q.override({ subject: "alice", feature: "tokens" });
// @ts-expect-error: remaining may be null: unlimited
const unlimited: number = row.remaining;
// @ts-expect-error: there is no such column
row.balance;

const settled: Answer<"settle"> | null = await hold(pool, { subject: "alice", feature: "tokens", amount: 9, ttl: { minutes: 2 } }, async (h) => {
	await h.count(3);
	return transaction(pool, (client) => h.settle({ client }));
});

const app = express();
const look = { subject: (request: Request) => String(request.headers["x-user"]), feature: "tokens", amount: () => 5 };
app.post("/", forExpress.requires(pool, look), (_request, response) => void response.json({}));
app.use(forExpress.quotaErrors(pool));

const fastify = Fastify();
fastify.setErrorHandler(forFastify.quotaErrors(pool));
const preHandler = forFastify.requires(pool, { subject: async (request: FastifyRequest) => request.ip, feature: "tokens" });
fastify.post("/", { preHandler }, async () => ({}));

export { exact, has, nothing, plans, remaining, resetsAt, settled, unlimited, wait };
export type { Verdict };
