/** What the database says when it says no. */

/** DETAIL of a refusal, the eleven keys of quota's contract: what an HTTP client gets as its body. */
export interface Verdict {
	code: string;
	subject: string;
	feature: string;
	requested: number;
	remaining: number | null;
	allowance: number | null;
	used: number;
	plan: string | null;
	blocked_by: string | null;
	resets_at: string | null;
	retry_after: number | null;
}

/** SQLSTATE -> code in the body. The three digits are the HTTP status. */
const CODES: Record<string, string> = {
	QT401: "unauthenticated",
	QT402: "quota_exceeded",
	QT403: "not_entitled",
	QT404: "not_found",
	QT409: "idempotency_conflict",
	QT410: "hold_closed",
	QT429: "rate_limited",
};

/** The same of arguments that quota refuses; any other of class 22 is a data_exception. */
const DATA_CODES: Record<string, string> = {
	"22001": "string_data_right_truncation",
	"22003": "numeric_value_out_of_range",
	"22004": "null_value_not_allowed",
	"22023": "invalid_parameter_value",
};

/** The database said no. `instanceof` tells which of the classes below it is. */
export class QuotaError extends Error {
	/** The HTTP status: the digits of a QT code, 400 for a wrong argument. */
	readonly status: number;
	/** Such as "quota_exceeded" or "subscription_inactive". */
	readonly code: string;

	constructor(
		/** Such as "QT402", or "22023" where an argument is wrong. */
		readonly sqlstate: string,
		message: string,
		/** Of QT402, QT403 and QT429; otherwise null. */
		readonly detail: Verdict | null = null,
		/** A sentence for a person. */
		readonly hint: string | null = null,
		options?: ErrorOptions,
	) {
		super(message, options);
		this.name = new.target.name;
		this.status = sqlstate in CODES ? Number(sqlstate.slice(2)) : 400;
		this.code = detail?.code ?? CODES[sqlstate] ?? DATA_CODES[sqlstate] ?? "data_exception";
	}

	/** Whole seconds after which trying again can help; null where waiting does not help. */
	get retryAfter(): number | null {
		return this.detail?.retry_after ?? null;
	}

	/** What a client gets as JSON: DETAIL itself, or code and message where there is none. */
	get body(): Verdict | { code: string; message: string } {
		return this.detail ?? { code: this.code, message: this.message };
	}

	/** The error of the class that its code has. */
	static of(sqlstate: string, message: string, detail: Verdict | null = null, hint: string | null = null, options?: ErrorOptions): QuotaError {
		const code = detail?.code ?? CODES[sqlstate] ?? "";
		return new (CLASSES[code] ?? InvalidArgument)(sqlstate, message, detail, hint, options);
	}

	/**
	 * Reads an error of pg. Null if it is not quota's own: the caller then throws it again. A QT code is quota's alone.
	 * Class 22 is everybody's: it is quota's if `askedQuota` says that the statement was nothing but a call of it, or if
	 * the server says that it was raised in quota's code.
	 */
	static from(error: unknown, askedQuota = false): QuotaError | null {
		if (error instanceof QuotaError) return error;
		if (!(error instanceof Error)) return null;
		const { code, detail, hint, file } = error as Error & { code?: unknown; detail?: string; hint?: string; file?: string };
		if (typeof code !== "string") return null;
		const isQuotas = askedQuota || (file ?? "").startsWith("quota:"); // its source files are named so
		if (!(code in CODES) && !(/^22...$/.test(code) && isQuotas)) return null;
		return QuotaError.of(code, error.message, verdict(detail), hint ?? null, { cause: error });
	}
}

/** QT402, QT403, QT429: what was asked for is not to be had. `detail` says why, and when it may be. */
export class Refused extends QuotaError {}
/** QT402: no room in the allowance, the grants, the overage or a cap. */
export class QuotaExceeded extends Refused {}
/** QT402: the subscription is paused, or past due beyond its grace. */
export class SubscriptionInactive extends Refused {}
/** QT403: the plan does not give the feature. */
export class NotEntitled extends Refused {}
/** QT429: too fast. */
export class RateLimited extends Refused {}
/** QT401: the API key is unknown, has expired or was revoked. */
export class Unauthenticated extends QuotaError {}
/** QT404: there is no such feature, plan, action, debit, hold or grant. */
export class NotFound extends QuotaError {}
/** QT409: the key was used before with other arguments. */
export class IdempotencyConflict extends QuotaError {}
/** QT410: the hold was closed with another amount, or has expired. */
export class HoldClosed extends QuotaError {}
/** SQLSTATE class 22: quota refuses an argument. */
export class InvalidArgument extends QuotaError {}

const CLASSES: Record<string, typeof QuotaError> = {
	unauthenticated: Unauthenticated,
	quota_exceeded: QuotaExceeded,
	subscription_inactive: SubscriptionInactive,
	not_entitled: NotEntitled,
	rate_limited: RateLimited,
	not_found: NotFound,
	idempotency_conflict: IdempotencyConflict,
	hold_closed: HoldClosed,
};

function verdict(detail: string | undefined): Verdict | null {
	try {
		const found = JSON.parse(detail ?? "null");
		return typeof found === "object" && found !== null && "code" in found ? found : null;
	} catch {
		return null;
	}
}

/** Did the transaction only meet another one (40001, 40P01, 55P03)? Run as a whole again, it may pass. */
export function isTransient(error: unknown): boolean {
	return error instanceof Error && ["40001", "40P01", "55P03"].includes(String((error as { code?: unknown }).code));
}

/** Runs work in which a refusal becomes a QuotaError, also one by a gate, which pg throws as an error of the statement. */
export async function refusals<T>(work: () => Promise<T>, askedQuota = false): Promise<T> {
	try {
		return await work();
	} catch (error) {
		throw QuotaError.from(error, askedQuota) ?? error;
	}
}
