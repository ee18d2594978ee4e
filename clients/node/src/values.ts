/** Values as parameters of quota's functions, and columns as values. Both are named by the kinds below. */
import { QuotaError } from "./errors.js";

/** A subject, key or other id of the application's. */
export type Id = string | number | bigint;
/** Units of a feature: whole. */
export type Amount = number | bigint;
/** A JSON value, which is sent as JSON. */
export type Json = object | number;
/** A length of time: text as PostgreSQL reads it, or its parts. */
export type Interval =
	| string
	| { weeks?: number; days?: number; hours?: number; minutes?: number; seconds?: number; milliseconds?: number };
/** A moment: a Date, or text as PostgreSQL reads it. */
export type Moment = Date | string;

/** What a column of type bigint becomes: a number, or a bigint where the options ask for it. */
export interface Options {
	/** Columns of type bigint as bigint. By default they are numbers, and one that is not exact is a RangeError. */
	bigint?: boolean;
}

/** What is given for a parameter of a kind. */
export interface Given {
	id: Id;
	text: string;
	amount: Amount;
	int: number;
	bool: boolean;
	json: Json;
	numeric: Amount | string;
	time: Moment;
	interval: Interval;
	texts: readonly string[];
	table: string;
}

/** What comes of a column of a kind. */
export interface Got<Int> {
	text: string;
	int: Int;
	small: number;
	bool: boolean;
	json: any;
	time: Date;
	seconds: number;
	texts: string[];
	decimal: string;
}

/** The SQL type of a parameter. */
const SQL_TYPES: Record<keyof Given, string> = {
	id: "text",
	text: "text",
	amount: "bigint",
	int: "integer",
	bool: "boolean",
	json: "jsonb",
	numeric: "numeric",
	time: "timestamptz",
	interval: "interval",
	texts: "text[]",
	table: "regclass",
};

/** The cast of a parameter: what is sent is text, which every server reads alike. */
export function slot(kind: keyof Given, number: number): string {
	return kind === "texts" ? `$${number}::text[]` : `$${number}::text::${SQL_TYPES[kind]}`;
}

export function sqlType(kind: keyof Given): string {
	return SQL_TYPES[kind];
}

const UNITS = { weeks: 604_800_000, days: 86_400_000, hours: 3_600_000, minutes: 60_000, seconds: 1000, milliseconds: 1 };

const CONVERTERS: { [K in keyof Given]: (value: unknown) => string | string[] | undefined } = {
	id: (value) => (typeof value === "string" ? value : whole(value)),
	text: (value) => (typeof value === "string" ? value : undefined),
	table: (value) => (typeof value === "string" ? value : undefined),
	amount: whole,
	int: whole,
	bool: (value) => (typeof value === "boolean" ? String(value) : undefined),
	json: (value) => ((typeof value === "object" && value !== null) || typeof value === "number" ? json(value) : undefined),
	numeric: (value) => (typeof value === "string" ? value : whole(value)),
	time: (value) => (value instanceof Date ? value.toISOString() : typeof value === "string" ? value : undefined),
	interval: (value) => (typeof value === "string" ? value : typeof value === "object" && value !== null ? interval(value) : undefined),
	texts: (value) => (Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined),
};

function whole(value: unknown): string | undefined {
	if (typeof value === "bigint") return String(value);
	return typeof value === "number" && Number.isSafeInteger(value) ? String(value) : undefined;
}

function json(value: unknown): string {
	return JSON.stringify(value, (_key, item) => {
		if (typeof item === "number" && !Number.isFinite(item)) throw QuotaError.of("22023", `${item} is not JSON`);
		if (typeof item === "bigint") {
			if (Number.isSafeInteger(Number(item))) return Number(item);
			throw QuotaError.of("22003", `${item} cannot be told exactly in JSON`);
		}
		return item;
	});
}

function interval(value: object): string | undefined {
	let sum = 0;
	for (const [unit, n] of Object.entries(value)) {
		if (!(unit in UNITS) || typeof n !== "number" || !Number.isFinite(n)) return undefined;
		sum += n * UNITS[unit as keyof typeof UNITS];
	}
	return `${sum} milliseconds`;
}

/** What is sent for a value. TypeError: the parameter takes none of that kind. QuotaError: nothing that could be stored. */
export function parameter(name: string, kind: keyof Given, value: unknown): string | string[] | null {
	if (value === null) return null;
	const sent = CONVERTERS[kind](value);
	if (sent === undefined) throw new TypeError(`${name} takes no ${describe(value)}: it is of kind ${kind}`);
	for (const text of [sent].flat()) {
		// drivers disagree on what becomes of such texts
		if (text.includes("\0") || /\p{Surrogate}/u.test(text)) {
			throw QuotaError.of("22023", `${name} has a character that no text in the database may have`);
		}
	}
	if (kind === "amount" && BigInt.asIntN(64, BigInt(sent as string)) !== BigInt(sent as string)) {
		throw QuotaError.of("22003", `${name} is out of range`);
	}
	return sent;
}

function describe(value: unknown): string {
	return typeof value === "number" ? `number like ${value}` : Array.isArray(value) ? "array" : typeof value;
}

/** The expression that brings a column as text which says everything. */
export function selected(column: string, kind: keyof Got<unknown>): string {
	if (kind === "time") return `(extract(epoch FROM ${column}) * 1000)::text AS ${column}`;
	if (kind === "seconds") return `ceil(extract(epoch FROM ${column}))::bigint::text AS ${column}`;
	if (kind === "texts") return `to_json(${column})::text AS ${column}`;
	return `${column}::text AS ${column}`;
}

/** A column's text as a value. */
export function value(text: string | null, kind: keyof Got<unknown>, options: Options): unknown {
	if (text === null) return null;
	switch (kind) {
		case "int":
			return integer(text, options);
		case "small":
		case "seconds":
			return Number(text);
		case "bool":
			return text === "true";
		case "json":
		case "texts":
			return JSON.parse(text);
		case "time":
			return new Date(Number(text));
		default:
			return text;
	}
}

function integer(text: string, options: Options): number | bigint {
	if (options.bigint) return BigInt(text);
	const number = Number(text);
	if (!Number.isSafeInteger(number)) throw new RangeError(`${text} is not exact as a number: ask for { bigint: true }`);
	return number;
}
