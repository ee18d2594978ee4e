/** The table of functions is the extension's, exactly: arguments, their types, defaults and columns. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { columnsOf, snake } from "../dist/call.js";
import { FUNCTIONS } from "../dist/functions.js";
import { sqlType } from "../dist/values.js";
import { database } from "./database.js";

const QUERY = `
    SELECT p.proname AS name,
           (SELECT array_agg(p.proargnames[n] ORDER BY n) FROM generate_series(1, p.pronargs) AS n) AS arguments,
           (SELECT array_agg(format_type(p.proargtypes[n - 1], NULL) ORDER BY n) FROM generate_series(1, p.pronargs) AS n) AS types,
           p.pronargdefaults AS defaults, p.proretset AS is_set, p.prorettype = 'void'::regtype AS is_void,
           coalesce(
               (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_type AS t JOIN pg_attribute AS a ON a.attrelid = t.typrelid
                 WHERE t.oid = p.prorettype AND a.attnum > 0),
               (SELECT array_agg(p.proargnames[n] ORDER BY n) FROM generate_subscripts(p.proargmodes, 1) AS n
                 WHERE p.proargmodes[n] IN ('o', 't'))) AS columns
      FROM pg_proc AS p
     WHERE p.pronamespace = 'quota'::regnamespace AND p.proname !~ '^_' AND p.prorettype <> 'trigger'::regtype
       AND p.proname !~ '^subject_(multi)?range$'`;

const db = database();

test("every function as it is, and no other", async () => {
	const { rows } = await db.pool.query(QUERY);
	assert.deepEqual(Object.keys(FUNCTIONS).map(snake).sort(), rows.map((row) => row.name).sort());
	for (const [name, entry] of Object.entries(FUNCTIONS)) {
		const row = rows.find((one) => one.name === snake(name));
		const takes = Object.entries(entry.takes);
		const given = row.arguments ?? [];
		assert.deepEqual(takes.map(([argument]) => snake(argument)).sort(), [...given].sort(), name);
		const optional = takes.filter(([, kind]) => kind.endsWith("?")).map(([argument]) => snake(argument));
		assert.deepEqual(optional.sort(), given.slice(given.length - row.defaults).sort(), name);
		for (const [argument, kind] of takes) {
			const type = row.types[given.indexOf(snake(argument))].replace("timestamp with time zone", "timestamptz");
			assert.equal(sqlType(kind.replace(/\?$|\|null$/, "")), type, `${name}'s ${argument}`);
		}
		assert.equal("many" in entry, row.is_set, name);
		assert.equal("nothing" in entry, row.is_void, name);
		if (row.columns) assert.deepEqual(Object.keys(columnsOf(name)).map(snake), row.columns, name);
	}
});
