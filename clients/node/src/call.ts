/** Calls: the statement of each, its parameters, and its rows. */
import type { QueryResult } from "pg";
import { refusals } from "./errors.js";
import { FUNCTIONS, type FunctionName } from "./functions.js";
import { parameter, selected, slot, value, type Given, type Got, type Options } from "./values.js";

/** What runs a query: a pg Client, a client of a Pool, or a Pool, for a call that is a transaction of its own. */
export interface Queryable {
	query(config: { text: string; values: unknown[]; rowMode: "array" }): Promise<QueryResult<any>>;
}

type Takes = Readonly<Record<string, string>>;
type Columns = Readonly<Record<string, string>>;
interface Entry {
	takes: Takes;
	one?: Columns;
	many?: Columns;
	value?: string;
	nothing?: boolean;
}
const TABLE: Record<FunctionName, Entry> = FUNCTIONS;

type Value<K, Int> = K extends `${infer Kind extends keyof Got<Int>}?` ? Got<Int>[Kind] | null : K extends keyof Got<Int> ? Got<Int>[K] : never;
type Argument<K> = K extends `${infer Kind extends keyof Given}?`
	? Given[Kind] | null | undefined
	: K extends `${infer Kind extends keyof Given}|null`
		? Given[Kind] | null
		: K extends keyof Given
			? Given[K]
			: never;
type OptionalNames<T extends Takes> = { [N in keyof T]: T[N] extends `${string}?` ? N : never }[keyof T];

/** The arguments of a function, by name. Those that are null or left out have the function's own defaults. */
export type Arguments<F extends FunctionName> = (typeof FUNCTIONS)[F]["takes"] extends infer T extends Takes
	? { [N in Exclude<keyof T, OptionalNames<T>>]: Argument<T[N]> } & { [N in OptionalNames<T>]?: Argument<T[N]> }
	: never;

export type Row<C extends Columns, Int> = { -readonly [N in keyof C]: Value<C[N], Int> };

/** What a function answers. */
export type Answer<F extends FunctionName, Int = number> = (typeof FUNCTIONS)[F] extends { one: infer C extends Columns }
	? Row<C, Int>
	: (typeof FUNCTIONS)[F] extends { many: infer C extends Columns }
		? Row<C, Int>[]
		: (typeof FUNCTIONS)[F] extends { value: infer K }
			? Value<K, Int>
			: void;

export const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const kindOf = (written: string): string => written.replace(/\?$|\|null$/, "");

interface Statement {
	text: string;
	values: unknown[];
}

/** The statement of a call; `computed` columns are further ones, as SQL. */
export function statement(name: FunctionName, given: Readonly<Record<string, unknown>>, computed: readonly string[] = []): Statement {
	const takes = TABLE[name].takes;
	for (const argument of Object.keys(given)) {
		if (!(argument in takes)) throw new TypeError(`${name} takes no ${argument}`);
	}
	const values: unknown[] = [];
	const slots: string[] = [];
	for (const [argument, written] of Object.entries(takes)) {
		const found = given[argument] ?? null;
		if (found === null && written.endsWith("?")) continue;
		const kind = kindOf(written) as keyof Given;
		values.push(parameter(`${name}'s ${argument}`, kind, found));
		slots.push(`${snake(argument)} => ${slot(kind, values.length)}`);
	}
	const call = `quota.${snake(name)}(${slots.join(", ")})`;
	const columns: string[] = Object.entries(columnsOf(name)).map(([column, kind]) => selected(snake(column), kindOf(kind) as keyof Got<unknown>));
	return { text: `SELECT ${[...columns, ...computed].join(", ") || "*"} FROM ${call}`, values };
}

/** The columns of a function; of one that returns a value the one that bears its name. */
export function columnsOf(name: FunctionName): Columns {
	const entry = TABLE[name];
	return entry.one ?? entry.many ?? (entry.value ? { [name]: entry.value } : {});
}

/** Makes a call in the transaction of `client`. */
export async function call<F extends FunctionName, Int = number>(
	client: Queryable,
	name: F,
	given: Arguments<F>,
	options: Options = {},
): Promise<Answer<F, Int>> {
	const rows = await rowsOf(client, name, given as Record<string, unknown>, options);
	const entry = TABLE[name];
	const answer = entry.many ? rows : entry.one ? rows[0] : entry.value ? rows[0]?.[name] : undefined;
	return answer as Answer<F, Int>;
}

/** The rows of a call; `computed` columns come last, as text. */
export async function rowsOf(
	client: Queryable,
	name: FunctionName,
	given: Readonly<Record<string, unknown>>,
	options: Options,
	computed: Readonly<Record<string, string>> = {},
): Promise<Record<string, unknown>[]> {
	const asked = statement(name, given, Object.values(computed));
	const columns = [...Object.entries(columnsOf(name)), ...Object.keys(computed).map((column) => [column, "text"] as const)];
	const result = await refusals(() => client.query({ ...asked, rowMode: "array" }), true);
	return result.rows.map((row: (string | null)[]) =>
		Object.fromEntries(columns.map(([column, kind], place) => [column, value(row[place] ?? null, kindOf(kind) as keyof Got<unknown>, options)])),
	);
}
