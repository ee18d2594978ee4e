/** A refusal as an HTTP answer, whatever the framework, and its record. */
import type { Pool } from "pg";
import { call } from "./call.js";
import type { QuotaError, Verdict } from "./errors.js";
import { transaction } from "./transaction.js";

/** Its three digits as the status, DETAIL as the body, and Retry-After in seconds where waiting helps. */
export function answer(error: QuotaError): { status: number; headers: Record<string, string>; body: object } {
	const headers: Record<string, string> = { "Cache-Control": "no-store" };
	if (error.retryAfter !== null) headers["Retry-After"] = String(error.retryAfter);
	return { status: error.status, headers, body: error.body };
}

/**
 * Records a refusal in quota.denials, for its own error took the record along. In a transaction of its own that waits for
 * nothing long, and whatever goes wrong is only told by process.emitWarning.
 */
export async function note(pool: Pool, detail: Verdict | null): Promise<void> {
	if (detail === null) return;
	try {
		await transaction(pool, async (client) => {
			await client.query("SET LOCAL statement_timeout = '1s'");
			await client.query("SET LOCAL synchronous_commit = off");
			await call(client, "noteDenial", { detail });
		});
	} catch (error) {
		process.emitWarning(`a refusal was not noted: ${JSON.stringify(detail)}: ${error}`, "QuotaDenial");
	}
}
