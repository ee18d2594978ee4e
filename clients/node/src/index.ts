/** quota, the paywall inside the database, from Node.js. clients/node/README.md shows how. */
import { call, type Answer, type Arguments, type Queryable } from "./call.js";
import { FUNCTIONS, type FunctionName } from "./functions.js";
import type { Options } from "./values.js";

/** Every function of quota's over one connection; Int is what a column of type bigint becomes. */
export type Quota<Int = number> = { [F in FunctionName]: (given: Arguments<F>) => Promise<Answer<F, Int>> };

/**
 * Every function of quota's, in the transaction of `client`: a pg Client or a client of a Pool. Over a Pool itself, each
 * call is a transaction of its own.
 */
export function quota(client: Queryable, options: Options & { bigint: true }): Quota<bigint>;
export function quota(client: Queryable, options?: Options): Quota;
export function quota(client: Queryable, options: Options = {}): Quota<any> {
	const bound = (name: FunctionName) => (given: any) => call(client, name, given ?? {}, options);
	return Object.fromEntries(Object.keys(FUNCTIONS).map((name) => [name, bound(name as FunctionName)])) as unknown as Quota<any>;
}

export type { Answer, Arguments, FunctionName, Options, Queryable };
export * from "./errors.js";
export { hold, Hold } from "./hold.js";
export { note } from "./http.js";
export { requireRoom } from "./require.js";
export { transaction } from "./transaction.js";
export type { Amount, Id, Interval, Json, Moment } from "./values.js";
