/**
 * quota in a Fastify application (4 or 5): every refusal becomes an HTTP answer.
 *
 *     app.setErrorHandler(quotaErrors(pool));
 *     app.post("/reports", { preHandler: requires(pool, { subject: (request) => request.user, feature: "reports" }) }, ...);
 */
import type { Pool } from "pg";
import { QuotaError } from "./errors.js";
import { answer, note } from "./http.js";
import { requireRoom } from "./require.js";
import type { Id } from "./values.js";

// The parts of Fastify's types that are used here, so that neither version of them has to be installed
interface Reply {
	raw: { once(event: "finish", listener: () => void): unknown };
	code(status: number): this;
	headers(headers: Record<string, string>): this;
	send(body: unknown): unknown;
}

/** An error handler that answers what quota refuses; any other error has `otherwise`, or Fastify's own answer. */
export function quotaErrors<Request>(pool: Pool, otherwise?: (error: unknown, request: Request, reply: Reply) => unknown) {
	return (error: unknown, request: Request, reply: Reply): unknown => {
		const refusal = QuotaError.from(error);
		if (refusal === null) return otherwise ? otherwise(error, request, reply) : reply.send(error);
		const { status, headers, body } = answer(refusal);
		reply.raw.once("finish", () => void note(pool, refusal.detail));
		return reply.code(status).headers(headers).send(body);
	};
}

/**
 * A preHandler that refuses before the route runs if `amount` of `feature` could not be taken now. It saves work; it
 * reserves nothing. The debit in the route's own transaction decides.
 */
export function requires<Request>(
	pool: Pool,
	asked: {
		subject: (request: Request) => Id | Promise<Id>;
		feature: string;
		amount?: number | ((request: Request) => number);
	},
) {
	return async (request: Request): Promise<void> => {
		const { subject, feature, amount = 1 } = asked;
		const wanted = typeof amount === "function" ? amount(request) : amount;
		await requireRoom(pool, { subject: await subject(request), feature, amount: wanted });
	};
}
