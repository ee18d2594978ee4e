/** Transactions on a connection of their own. */
import type { Pool, PoolClient } from "pg";

/** Runs work in a transaction on a connection of the pool: committed when it is done, rolled back by an error. */
export async function transaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
	const client = await pool.connect();
	let broken: Error | undefined;
	try {
		await client.query("BEGIN");
		const result = await work(client);
		await client.query("COMMIT");
		return result;
	} catch (error) {
		await client.query("ROLLBACK").catch((failed: Error) => (broken = failed));
		throw error;
	} finally {
		client.release(broken); // a connection that could not roll back is of no use
	}
}
