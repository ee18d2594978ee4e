-- An application's table, three times: gated by quota, charged by a PL/pgSQL
-- trigger of the peer's, and for bulk loads without either.
\set ON_ERROR_STOP on
CREATE TABLE document_plain (
    id         bigserial PRIMARY KEY,
    tenant_id  text NOT NULL,
    size       bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    title      text NOT NULL
);
CREATE INDEX ON document_plain (tenant_id, created_at);
CREATE INDEX ON document_plain (title);
CREATE TABLE document_gated (LIKE document_plain INCLUDING ALL);
CREATE TABLE document_by_row (LIKE document_plain INCLUDING ALL);
CREATE TABLE document_remembered (LIKE document_plain INCLUDING ALL);
CREATE TABLE document_by_hand (LIKE document_plain INCLUDING ALL);

SELECT quota.protect('document_gated', 'tokens', 'r.tenant_id', 'r.size');
SELECT quota.protect('document_remembered', 'tokens', 'r.tenant_id', 'r.size', remember => true);
CREATE TRIGGER gate AFTER INSERT OR UPDATE ON document_by_row
    FOR EACH ROW EXECUTE FUNCTION quota.gate('tokens', 'r.tenant_id', 'r.size');

CREATE FUNCTION charge_document() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    UPDATE usage_counter c
        SET used = c.used + new.size
        WHERE c.subject = new.tenant_id AND c.feature = 'tokens'
            AND c.period_start = date_trunc('month', now() AT TIME ZONE 'UTC')::date
            AND c.used + new.size <= c.max_used;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no room for % of % for %', new.size, 'tokens', new.tenant_id;
    END IF;
    INSERT INTO usage_ledger (subject, feature, amount) VALUES (new.tenant_id, 'tokens', new.size);
    RETURN NULL;
END
$$;
CREATE TRIGGER charge AFTER INSERT ON document_by_hand FOR EACH ROW EXECUTE FUNCTION charge_document();
