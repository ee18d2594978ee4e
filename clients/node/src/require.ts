/** The question before the work: would a debit be allowed now? */
import { call, type Queryable } from "./call.js";
import { QuotaError, type Verdict } from "./errors.js";
import type { Id } from "./values.js";

const SQLSTATES: Record<string, string> = {
	quota_exceeded: "QT402",
	subscription_inactive: "QT402",
	not_entitled: "QT403",
	rate_limited: "QT429",
};

/** Throws the QuotaError that debit would throw now. Nothing is charged, and nothing is promised. */
export async function requireRoom(client: Queryable, asked: { subject: Id; feature: string; amount?: number }): Promise<void> {
	const { subject, feature, amount = 1 } = asked;
	const answer = await call(client, "check", { subject, feature, amount });
	if (answer.allowed) return;
	const isEntitled = answer.reason !== "not_entitled";
	const rows = isEntitled ? await call(client, "status", { subject }) : [];
	const detail: Verdict = {
		code: answer.reason,
		subject: String(subject),
		feature,
		requested: amount,
		remaining: answer.remaining,
		allowance: answer.allowance,
		used: answer.used,
		plan: rows.find((row) => row.feature === feature)?.plan ?? null,
		blocked_by: answer.blockedBy,
		resets_at: answer.resetsAt?.toISOString().replace(/(\.000)?Z$/, "+00:00") ?? null,
		retry_after: answer.retryAfter,
	};
	const message = `${answer.reason.replaceAll("_", " ")} for feature "${feature}" of subject "${subject}"`;
	throw QuotaError.of(SQLSTATES[answer.reason] ?? "QT402", message, detail);
}
