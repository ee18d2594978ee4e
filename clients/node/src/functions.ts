/**
 * Every function of quota's: its parameters and the columns that it returns. Types and statements follow from this
 * table. A "?" says that a parameter may be left out, or a column may be null; "many" that it returns a set of rows,
 * "value" that it returns one value, which is the column of that kind.
 */
const entry = { id: "int?", remaining: "int?" } as const;
const charged = { feature: "text", id: "int?", charged: "int", remaining: "int?", resetsAt: "time?" } as const;
const taken = { subject: "id", feature: "text", amount: "amount?" } as const;
const looked = { subject: "id", feature: "text" } as const;
const keyed = { key: "id?", metadata: "json?" } as const;

export const FUNCTIONS = {
	debit: { takes: { ...taken, ...keyed }, one: { id: "int?", remaining: "int?", resetsAt: "time?" } },
	tryDebit: {
		takes: { ...taken, ...keyed, upTo: "bool?" },
		one: {
			allowed: "bool", reason: "text", id: "int?", debited: "int", remaining: "int?",
			resetsAt: "time?", retryAfter: "seconds?", blockedBy: "text?",
		},
	},
	debitMany: {
		takes: { subject: "id", amounts: "json", ...keyed },
		many: { feature: "text", id: "int?", remaining: "int?", resetsAt: "time?" },
	},
	charge: { takes: { subject: "id", action: "text", units: "numeric?", ...keyed }, many: charged },
	chargeUnits: { takes: { subject: "id", action: "text", units: "json", ...keyed }, many: charged },
	refund: { takes: { id: "amount", amount: "amount?", key: "id?" }, one: { id: "int?", refunded: "int", remaining: "int?" } },
	giveBack: { takes: { ...taken, ...keyed }, one: entry },
	throttle: {
		takes: { subject: "id", feature: "text", cost: "amount?" },
		one: { allowed: "bool", remaining: "int?", retryAfter: "seconds?" },
	},
	reserve: {
		takes: { subject: "id", feature: "text", amount: "amount", ttl: "interval?", ...keyed, upTo: "bool?" },
		one: { id: "int?", reserved: "int?", remaining: "int?", expiresAt: "time?" },
	},
	extend: {
		takes: { id: "amount", ttl: "interval?", amount: "amount?" },
		one: { reserved: "int?", remaining: "int?", expiresAt: "time?" },
	},
	settle: {
		takes: { id: "amount", amount: "amount", metadata: "json?" },
		one: { id: "int?", charged: "int", overdrawn: "int", remaining: "int?" },
	},
	release: { takes: { id: "amount" }, one: { released: "int", remaining: "int?" } },
	record: {
		takes: { subject: "id", feature: "text", amount: "amount", at: "time?", ...keyed },
		one: { id: "int?", overdrawn: "int", remaining: "int?" },
	},
	quote: { takes: { action: "text", units: "json" }, many: { feature: "text", amount: "int" } },
	noteDenial: { takes: { detail: "json" }, nothing: true },
	authenticate: { takes: { secret: "text" }, one: { subject: "text", keyId: "int", scopes: "texts" } },

	check: {
		takes: taken,
		one: {
			allowed: "bool", reason: "text", allowance: "int?", used: "int", remaining: "int?",
			resetsAt: "time?", retryAfter: "seconds?", blockedBy: "text?",
		},
	},
	has: { takes: looked, value: "bool" },
	setting: { takes: looked, value: "json?" },
	status: {
		takes: { subject: "id" },
		many: {
			feature: "text", kind: "text", plan: "text?", allowed: "bool", allowance: "int?", used: "int", reserved: "int",
			remaining: "int?", overage: "int?", value: "json?", periodStart: "time?", resetsAt: "time?", unit: "text?",
			title: "text?",
		},
	},
	me: { takes: { subject: "id" }, value: "json" },
	explain: {
		takes: taken,
		many: {
			step: "small", level: "text?", source: "text", detail: "text?", available: "int?", takes: "int?", verdict: "text?",
		},
	},
	offers: { takes: taken, many: { plan: "text", title: "text?", allowance: "int?", metadata: "json?" } },
	preview: {
		takes: { subject: "id", plan: "text", usage: "text?" },
		many: {
			feature: "text", kind: "text", allowance: "int?", used: "int", remaining: "int?", value: "json?", fits: "bool",
		},
	},
	plans: {
		takes: {},
		many: { plan: "text", title: "text?", isDefault: "bool", entitlements: "json", metadata: "json?" },
	},
	statement: {
		takes: { ...looked, since: "time?", until: "time?", maxRows: "int?" },
		many: {
			id: "int", at: "time", subject: "text", kind: "text", amount: "int", source: "text", running: "int",
			metadata: "json?",
		},
	},
	usage: {
		takes: { ...looked, since: "time", until: "time?", step: "text?", timezone: "text?" },
		many: { bucket: "time", used: "int", debits: "int" },
	},
	breakdown: {
		takes: { ...looked, since: "time", until: "time?", by: "text?", maxRows: "int?" },
		many: { name: "text?", used: "int", entries: "int" },
	},
	unitHours: { takes: { ...looked, since: "time", until: "time?" }, value: "decimal" },

	applyCatalog: { takes: { catalog: "json", dryRun: "bool?" }, many: { object: "text", name: "text", change: "text" } },
	exportCatalog: { takes: {}, value: "json" },
	subscribe: {
		takes: {
			subject: "id", plan: "text", startsAt: "time?", endsAt: "time?", trial: "interval?", timezone: "text?",
			externalId: "id?", metadata: "json?", quantity: "amount?",
		},
		value: "int",
	},
	changePlan: { takes: { subject: "id", plan: "text", effective: "text?", usage: "text?" }, value: "int" },
	cancel: { takes: { subject: "id", effective: "text?" }, value: "time?" },
	setStatus: { takes: { subject: "id", status: "text", until: "time?" }, nothing: true },
	amend: { takes: { subject: "id", changes: "json" }, value: "int" },
	migrate: { takes: { plan: "text", maxSubjects: "int?" }, value: "int" },
	exportSubject: { takes: { subject: "id" }, value: "json" },
	importSubject: { takes: { document: "json" }, value: "int" },
	rename: { takes: { subject: "id", newSubject: "id" }, value: "int" },
	override: { takes: { ...looked, entitlement: "json|null" }, nothing: true },
	credit: {
		takes: {
			subject: "id", feature: "text", amount: "amount", expiresAt: "time?", effectiveAt: "time?", every: "text?",
			priority: "int?", source: "text?", ...keyed, beyondCaps: "bool?",
		},
		one: entry,
	},
	revoke: { takes: { grantId: "amount", amount: "amount?", key: "id?" }, value: "int" },
	setUsage: { takes: { ...looked, used: "amount", ...keyed }, one: entry },
	clearCaps: { takes: looked, value: "small" },
	createApiKey: {
		takes: { subject: "id", name: "text", expiresAt: "time?", scopes: "texts?" },
		one: { id: "int", secret: "text" },
	},
	revokeApiKey: { takes: { id: "amount" }, nothing: true },
	grantAccess: { takes: { grantee: "text", level: "text" }, nothing: true },
	revokeAccess: { takes: { grantee: "text" }, nothing: true },
	protect: {
		takes: {
			target: "table", feature: "text", subject: "text", amount: "text?", refund: "text?", exceed: "text?",
			remember: "bool?",
		},
		value: "text",
	},
	unprotect: { takes: { target: "table", feature: "text" }, nothing: true },
	recount: { takes: { feature: "text", dryRun: "bool?" }, many: { subject: "text", recorded: "int", actual: "int" } },
	maintain: { takes: {}, many: { task: "text", rows: "int" } },
	verify: { takes: {}, many: { checkName: "text", subject: "text?", feature: "text?", detail: "text?" } },
	simulate: {
		takes: { catalog: "json", since: "time", until: "time?" },
		many: {
			subject: "text", feature: "text", used: "int", allowanceNow: "int?", allowanceThen: "int?", blockedNow: "bool",
			blockedThen: "bool", overageThen: "int?",
		},
	},
	forget: { takes: { subject: "id" }, value: "int" },
} as const;

export type FunctionName = keyof typeof FUNCTIONS;
