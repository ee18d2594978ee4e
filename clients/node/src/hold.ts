/** Holds: room reserved while work of unknown price is done; what was done is paid for. */
import type { Pool } from "pg";
import { call, rowsOf, type Answer, type Arguments, type Queryable } from "./call.js";
import { HoldClosed, QuotaError } from "./errors.js";
import { transaction } from "./transaction.js";
import type { Amount, Interval, Json } from "./values.js";

const LASTS = "(extract(epoch FROM expires_at - clock_timestamp()) * 1000)::text"; // by the server's clock

/** One hold, inside the work of `hold`. What it says is as of the last call; `counted` is what count() has added up. */
export class Hold {
	/** Null in observe mode, where nothing may have been reserved: then nothing below asks the database. */
	id: number | null = null;
	reserved: number | null = null;
	remaining: number | null = null;
	expiresAt: Date | null = null;
	counted = 0;
	#spare = 0;
	#renewAt = Infinity;
	#closed = false; // for good: by a transaction that we have committed
	#settledIn: string | null = null; // the transaction of a settle() that is not ours to commit

	constructor(
		private readonly pool: Pool,
		private readonly asked: Arguments<"reserve">,
	) {}

	async enter(): Promise<void> {
		const [row] = await transaction(this.pool, (client) => rowsOf(client, "reserve", { ...this.asked }, {}, { lasts: LASTS }));
		this.id = (row?.id as number | null) ?? null;
		this.#take(row!);
		this.#spare = Math.floor((this.reserved ?? 0) / 2);
	}

	#take(row: Record<string, unknown>): void {
		this.reserved = row.reserved as number | null;
		this.remaining = row.remaining as number | null;
		this.expiresAt = row.expiresAt as Date | null;
		const lasts = Number(row.lasts ?? 0);
		this.#renewAt = lasts > 0 ? performance.now() + lasts / 2 : Infinity;
	}

	/**
	 * `n` units more are about to be delivered: they will be charged. Resolves to `counted`, with them.
	 *
	 * Asks the database only where they are more than is reserved, to extend the hold (by half the estimate more than is
	 * needed, as long as there is room for it), or where half of its ttl is over, to renew it. QuotaError: there is no
	 * room for them, or the hold has expired. Then they are not counted, and should not be delivered; what was counted
	 * before will be charged all the same.
	 */
	async count(n: number): Promise<number> {
		if (!Number.isSafeInteger(n)) throw new TypeError(`count takes whole numbers, not ${n}`);
		if (n < 0) throw new RangeError("what was delivered does not come back");
		if (this.#closed) throw new Error("this hold is closed: what is counted now would never be charged");
		const total = this.counted + n;
		if (this.id !== null) {
			if (total > (this.reserved ?? 0)) await this.#grow(total);
			else if (performance.now() >= this.#renewAt) await this.extend();
		}
		return (this.counted = total);
	}

	async #grow(total: number): Promise<void> {
		if (this.#spare > 0) {
			try {
				return await this.extend({ amount: total + this.#spare });
			} catch (error) {
				if (!(error instanceof QuotaError) || ![402, 429].includes(error.status)) throw error;
				this.#spare = 0; // near the end of the room: what is needed, and no more
			}
		}
		await this.extend({ amount: total });
	}

	/** Renews for `ttl` from now (left out: the last one again); `amount` is the new total. A committed transaction of its own. */
	async extend(given: { amount?: Amount; ttl?: Interval } = {}): Promise<void> {
		if (this.id === null) return;
		const asked = { id: this.id, ...given };
		const [row] = await transaction(this.pool, (client) => rowsOf(client, "extend", asked, {}, { lasts: LASTS }));
		this.#take(row!);
	}

	/**
	 * The work cost `amount` (left out: what was counted; 0: nothing). Never refused for lack of room, also after expiry.
	 *
	 * Without `client` it is committed when this resolves. With the client in whose transaction the result is stored, both
	 * commit together; where that is rolled back, what was counted is charged all the same when the work ends, for it
	 * was delivered.
	 */
	async settle(given: { amount?: Amount; metadata?: Json; client?: Queryable } = {}): Promise<Answer<"settle"> | null> {
		if (this.id === null) {
			this.#closed = true;
			return null;
		}
		const { client, amount = this.counted, metadata = null } = given;
		const asked = { id: this.id, amount, metadata };
		const transactionId = { transaction: "pg_current_xact_id()::text" };
		const make = async (on: Queryable) => (await rowsOf(on, "settle", asked, {}, transactionId))[0]!;
		const { transaction: settledIn, ...row } = client ? await make(client) : await transaction(this.pool, make);
		if (client) this.#settledIn = settledIn as string;
		else this.#closed = true;
		this.reserved = 0;
		this.remaining = row.remaining as number | null;
		return row as Answer<"settle">;
	}

	/** Gives all of it back now, also what was counted: nothing of it was worth paying for. */
	async release(): Promise<void> {
		this.counted = 0;
		await this.#close();
	}

	async #close(): Promise<void> {
		const id = this.id;
		if (id !== null) {
			try {
				await transaction(this.pool, async (client) => {
					// a settle() of ours whose transaction is still open would make this wait for ourselves
					await client.query("SET LOCAL lock_timeout = '5s'");
					const { remaining } = this.counted
						? await call(client, "settle", { id, amount: this.counted, metadata: this.asked.metadata })
						: await call(client, "release", { id });
					this.remaining = remaining;
				});
			} catch (error) {
				if (!(error instanceof HoldClosed)) throw error; // by a transaction of ours that did commit, or by a twin with our key
			}
			this.reserved = 0;
		}
		this.#closed = true;
	}

	async leave(failed: boolean): Promise<void> {
		for (const last of [false, true]) {
			if (this.#closed) return;
			try {
				if (!failed && this.#settledIn !== null && (await this.#isOpen(this.#settledIn))) return;
				await this.#close();
			} catch (error) {
				if (last) {
					const lost = `${this.counted} delivered units are not charged, and it ends at ${this.expiresAt?.toISOString()}`;
					process.emitWarning(`hold ${this.id} is not settled: ${lost}: ${error}`, "QuotaHold");
				}
			}
		}
	}

	/** Is the transaction around the work still open, to commit its settle after us? */
	async #isOpen(id: string): Promise<boolean> {
		const result = await this.pool.query<{ status: string }>("SELECT pg_xact_status($1::text::xid8) AS status", [id]);
		return result.rows[0]?.status === "in progress";
	}
}

/**
 * Reserves `amount`, runs the work, and charges what was counted, whatever way the work ends:
 *
 *     await hold(pool, { subject, feature, amount: 2000, ttl: "2 minutes" }, async (h) => {
 *         for await (const piece of model.stream(prompt)) {
 *             await h.count(tokensOf(piece));       // before it is delivered
 *             response.write(piece);
 *         }
 *     });
 *
 * Every step is a short transaction of its own on a connection of the pool, so no row stays locked while the work runs.
 * QuotaError before the work begins: no room, and nothing was reserved. Where the work throws, what was counted is
 * charged, the rest comes back, and the error goes on as it was. Where even that fails, because the database is gone, it is
 * tried once more and told by process.emitWarning; then the hold ends at `expiresAt` and charges nothing.
 */
export async function hold<T>(pool: Pool, asked: Arguments<"reserve">, work: (h: Hold) => Promise<T>): Promise<T> {
	const held = new Hold(pool, asked);
	await held.enter();
	let failed = true;
	try {
		const result = await work(held);
		failed = false;
		return result;
	} finally {
		await held.leave(failed);
	}
}
