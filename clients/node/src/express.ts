/**
 * quota in an Express application (4 or 5): every refusal becomes an HTTP answer.
 *
 *     app.post("/reports", requires(pool, { subject: (request) => request.user, feature: "reports" }), createReport);
 *     app.use(quotaErrors(pool));        // after the routes
 */
import type { Pool } from "pg";
import { QuotaError } from "./errors.js";
import { answer, note } from "./http.js";
import { requireRoom } from "./require.js";
import type { Id } from "./values.js";

// The parts of Express's types that are used here, so that neither version of them has to be installed
interface Response {
	headersSent: boolean;
	status(code: number): this;
	set(headers: Record<string, string>): this;
	json(body: unknown): unknown;
	once(event: "finish", listener: () => void): unknown;
}
type Next = (error?: unknown) => void;

/** Answers what quota refuses, and gate's refusals among pg's errors; any other error goes on. */
export function quotaErrors(pool: Pool) {
	return (error: unknown, _request: unknown, response: Response, next: Next): void => {
		const refusal = response.headersSent ? null : QuotaError.from(error);
		if (refusal === null) return next(error);
		const { status, headers, body } = answer(refusal);
		response.once("finish", () => void note(pool, refusal.detail));
		response.status(status).set(headers).json(body);
	};
}

/**
 * A middleware that refuses before the route runs if `amount` of `feature` could not be taken now. It saves work; it
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
	return (request: Request, _response: unknown, next: Next): void => {
		const { subject, feature, amount = 1 } = asked;
		const look = async () =>
			requireRoom(pool, {
				subject: await subject(request),
				feature,
				amount: typeof amount === "function" ? amount(request) : amount,
			});
		look().then(() => next(), next);
	};
}
